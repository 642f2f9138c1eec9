"""A 3x3 convolution that a processor computes with fewer multiplications."""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histoseg.networks.blocks.on_cpu import on_cpu_in_float32

LEAST: Final = 256
"""Channels below which the sums cost more than the products saved."""
SIDE: Final = 4
"""Height and width of what is computed at once, pixels."""
Mode = Literal["zeros", "reflect", "replicate", "circular"]
MODES: Final = {"zeros": "constant"}


def _values(coefficients: int) -> Tensor:
    """From a polynomial's coefficients to its values at six points, the last of them infinity.

    Its square knows a polynomial of six coefficients by its values, so that products need six
    multiplications. These points round less than the usual whole numbers do.
    """
    points = torch.tensor([0.0, 0.75, -0.75, 1.5, -1.5], dtype=torch.float64)
    infinity = torch.eye(coefficients, dtype=torch.float64)[-1:]
    return torch.cat([torch.vander(points, coefficients, increasing=True), infinity])


_FROM_IMAGE: Final = torch.linalg.inv(_values(6)).T.contiguous()
_FROM_KERNEL: Final = _values(3)
_TO_RESULT: Final = _values(SIDE).T.contiguous()


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with stride 1, by Winograd's F(4x4, 3x3) where that is faster.

    That is in prediction on a processor, with many channels and sides that divide by four: 36
    products in place of 144. Elsewhere it is a plain convolution. Both agree to 1e-5 of the largest
    value; torch's own two layouts of memory differ by half of what this does.

    Args:
        inputs: Channels of the image.
        outputs: Channels of the result.
        padding_mode: As of `torch.nn.Conv2d`; one pixel is padded.
        bias: Whether it has one.

    Source:
        Lavin and Gray 2016, https://arxiv.org/abs/1509.09308.
    """

    def __init__(
        self, inputs: int, outputs: int, padding_mode: Mode = "zeros", bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, 3, padding=1, padding_mode=padding_mode, bias=bias)

    @override
    def forward(self, input: Tensor) -> Tensor:
        return self.convolved(input, self.weight, self.bias)

    def convolved(self, image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve with other weights in the same way.

        Args:
            image: (B, C, H, W).
            weight: (K, C, 3, 3).
            bias: (K,), or None.
        """
        worth = min(weight.shape[:2]) >= LEAST
        fits = not (image.shape[2] % SIDE or image.shape[3] % SIDE)
        if worth and fits and not torch.is_grad_enabled() and on_cpu_in_float32(image):
            return self._by_winograd(image, weight, bias)
        made: Tensor = self._conv_forward(image, weight, bias)
        return made

    def _by_winograd(self, image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        mode = MODES.get(self.padding_mode, self.padding_mode)
        padded = functional.pad(image, (1, 1, 1, 1), mode=mode).permute(0, 2, 3, 1)
        kernel = _spread(weight)
        shape = (len(image), *image.shape[2:], len(weight))
        result = image.new_empty(shape)
        for tile, made in zip(padded, result, strict=True):
            _convolve(tile, kernel, made)
        if bias is not None:
            result += bias
        return result.permute(0, 3, 1, 2)


def _both(along: Tensor) -> Tensor:
    """What works along one axis, along both."""
    return torch.kron(along, along).float()


def _spread(weight: Tensor) -> Tensor:
    """Kernels (K, C, 3, 3) at the 36 pairs of points: (36 * K, C, 1, 1)."""
    outputs, inputs = weight.shape[:2]
    spread = _both(_FROM_KERNEL) @ weight.reshape(-1, 9).T
    return spread.view(36 * outputs, inputs, 1, 1)


def _convolve(padded: Tensor, kernel: Tensor, result: Tensor) -> None:
    """One tile (H + 2, W + 2, C) into (H, W, K)."""
    height, width, outputs = result.shape
    h, w = height // SIDE, width // SIDE
    seen = padded.unfold(0, 6, SIDE).unfold(1, 6, SIDE).permute(0, 1, 3, 4, 2)
    values = _both(_FROM_IMAGE) @ seen.reshape(h * w, 36, -1)
    # 36 products of matrices; dilation means nothing here, but without it torch passes oneDNN by
    # where there is one thread
    maps = values.view(1, h, w, -1).permute(0, 3, 1, 2)
    products = functional.conv2d(maps, kernel, groups=36, dilation=2).permute(0, 2, 3, 1)
    made = _both(_TO_RESULT) @ products.reshape(h * w, 36, outputs)
    by_tile = made.view(h, w, SIDE, SIDE, outputs).transpose(1, 2)
    result.view(h, SIDE, w, SIDE, outputs).copy_(by_tile)
