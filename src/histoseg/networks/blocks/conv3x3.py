"""A 3x3 convolution that a processor computes with fewer multiplications."""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

LEAST: Final = 64
"""Channels below which the sums cost more than the products saved."""
Mode = Literal["zeros", "reflect", "replicate", "circular"]
MODES: Final = {"zeros": "constant"}


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with stride 1, by Winograd's F(2x2, 3x3) where that is faster.

    That is on a processor, in float32, without gradients, with many channels and an even size:
    16 products in place of 36. Elsewhere it is a plain convolution; both agree to rounding.

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
        plain = (
            image.device.type != "cpu"
            or image.dtype != torch.float32
            or torch.is_grad_enabled()
            or torch.is_autocast_enabled("cpu")
            or min(weight.shape[:2]) < LEAST
            or bool(image.shape[2] % 2 or image.shape[3] % 2)
        )
        if plain:
            made: Tensor = self._conv_forward(image, weight, bias)
            return made
        return self._by_winograd(image, weight, bias)

    def _by_winograd(self, image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        mode = MODES.get(self.padding_mode, self.padding_mode)
        padded = functional.pad(image, (1, 1, 1, 1), mode=mode).permute(0, 2, 3, 1)
        kernel = _spread(weight)
        tiles = torch.stack([_convolved(tile, kernel) for tile in padded])
        return (tiles if bias is None else tiles + bias).permute(0, 3, 1, 2)


def _spread(weight: Tensor) -> Tensor:
    """Kernels (K, C, 3, 3) in the frame in which they are products: (16, C, K)."""
    rows = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]]
    along = weight.new_tensor(rows)
    spread = torch.einsum("ia,jb,koab->ijok", along, along, weight)
    return spread.reshape(16, weight.shape[1], weight.shape[0])


def _convolved(padded: Tensor, kernel: Tensor) -> Tensor:
    """One tile (H + 2, W + 2, C) -> (H, W, K)."""
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    h, w = height // 2, width // 2
    seen = padded.new_empty((4, 4, h, w, padded.shape[2]))
    a, b, c, d = (padded[k : k + height : 2] for k in range(4))
    for row, part in zip(seen, (a - c, b + c, c - b, b - d), strict=True):
        a, b, c, d = (part[:, k : k + width : 2] for k in range(4))
        torch.sub(a, c, out=row[0])
        torch.add(b, c, out=row[1])
        torch.sub(c, b, out=row[2])
        torch.sub(b, d, out=row[3])
    made = torch.bmm(seen.view(16, h * w, -1), kernel).view(4, 4, h, w, -1)
    result = padded.new_empty((height, width, kernel.shape[2]))
    for y, part in enumerate((made[0] + made[1] + made[2], made[1] - made[2] - made[3])):
        result[y::2, 0::2] = part[0] + part[1] + part[2]
        result[y::2, 1::2] = part[1] - part[2] - part[3]
    return result
