"""3x3 convolutions with a quarter of the multiplications: Winograd's F(4x4, 3x3)."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from typing_extensions import override

SIDE: Final = 4
"""Height and width of what is computed at once, pixels."""
_SEEN, _POINTS = SIDE + 2, (SIDE + 2) ** 2


def _values(coefficients: int) -> Tensor:
    """From a polynomial's coefficients to its values at six points, the last of them infinity.

    Its square knows a polynomial of six coefficients by its values, so that products need six
    multiplications. These points round less than the usual whole numbers do.
    """
    points = torch.tensor([0.0, 0.75, -0.75, 1.5, -1.5], dtype=torch.float64)
    infinity = torch.eye(coefficients, dtype=torch.float64)[-1:]
    return torch.cat([torch.vander(points, coefficients, increasing=True), infinity])


def _both(along: Tensor) -> Tensor:
    """What works along one axis, along both."""
    return torch.kron(along, along).float()


_FROM_IMAGE: Final = _both(torch.linalg.inv(_values(6)).T)
_FROM_KERNEL: Final = _both(_values(3))
_TO_RESULT: Final = _both(_values(SIDE).T)


class _Convolution(torch.autograd.Function):
    """Values of image and kernel at all pairs of points, products of these, and the way back.

    Each step is linear, so the way of the gradients is the same steps, transposed.
    """

    @override
    @staticmethod
    def forward(ctx: Any, padded: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(padded, weight)
        batch, height, width, _ = padded.shape
        products = _multiplied(_of_image(padded), _of_kernel(weight))
        h, w = height // SIDE, width // SIDE
        made = (_TO_RESULT @ products).view(batch, h, w, SIDE, SIDE, -1)
        return made.transpose(2, 3).reshape(batch, height - 2, width - 2, -1)

    @override
    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        padded, weight = ctx.saved_tensors
        batch, height, width, outputs = gradient.shape
        h, w = height // SIDE, width // SIDE
        by_tile = gradient.reshape(batch, h, SIDE, w, SIDE, outputs).transpose(2, 3)
        products = _TO_RESULT.T @ by_tile.reshape(-1, SIDE**2, outputs)
        of_image = of_weight = None
        if ctx.needs_input_grad[0]:
            seen = _FROM_IMAGE.T @ _multiplied(products, _of_kernel(weight).transpose(1, 2))
            of_image = _added_up(seen.view(batch, h, w, _SEEN, _SEEN, -1))
        if ctx.needs_input_grad[1]:
            kernels = torch.bmm(products.permute(1, 2, 0), _of_image(padded).transpose(0, 1))
            of_weight = (_FROM_KERNEL.T @ kernels.view(_POINTS, -1)).T.reshape(weight.shape)
        return of_image, of_weight


def convolve(padded: Tensor, weight: Tensor) -> Tensor:
    """Convolve an image with 3x3 kernels, differentiable once.

    Agrees with a plain convolution, and in its gradients, to 1e-5 of the largest value; torch's own
    two layouts of memory differ by half of what this does.

    Args:
        padded: (B, H + 2, W + 2, C), float32 on the CPU; H and W divide by `SIDE`.
        weight: (K, C, 3, 3).

    Returns:
        (B, H, W, K).

    Source:
        Lavin and Gray 2016, https://arxiv.org/abs/1509.09308.
    """
    made: Tensor = _Convolution.apply(padded, weight)
    return made


def _of_image(padded: Tensor) -> Tensor:
    """Values of overlapping tiles: (tiles, 36, C)."""
    seen = padded.unfold(1, _SEEN, SIDE).unfold(2, _SEEN, SIDE).permute(0, 1, 2, 4, 5, 3)
    return _FROM_IMAGE @ seen.reshape(-1, _POINTS, padded.shape[3])


def _of_kernel(weight: Tensor) -> Tensor:
    """Values of kernels: (36, K, C)."""
    return (_FROM_KERNEL @ weight.reshape(-1, 9).T).view(_POINTS, *weight.shape[:2])


def _multiplied(values: Tensor, kernels: Tensor) -> Tensor:
    """For each of 36 points, (tiles, 36, C) and (36, K, C) -> (tiles, 36, K)."""
    tiles, outputs = len(values), kernels.shape[1]
    maps = values.reshape(1, 1, tiles, -1).permute(0, 3, 1, 2)
    grouped = kernels.reshape(_POINTS * outputs, -1, 1, 1)
    # dilation means nothing here, but without it torch passes oneDNN by where there is one thread
    made = functional.conv2d(maps, grouped, groups=_POINTS, dilation=2)
    return made.permute(0, 2, 3, 1).reshape(tiles, _POINTS, outputs)


def _added_up(tiles: Tensor) -> Tensor:
    """Tiles (B, h, w, 6, 6, C) at their overlapping places: (B, 4h + 2, 4w + 2, C)."""
    rows = _added_along(tiles.movedim((1, 3), (0, 1)))  # (H, B, w, 6, C)
    columns = _added_along(rows.movedim((2, 3), (0, 1)))  # (W, H, B, C)
    return columns.permute(2, 1, 0, 3)


def _added_along(parts: Tensor) -> Tensor:
    """Parts (n, 6, ...) -> (4n + 2, ...)."""
    count = len(parts)
    whole = parts.new_zeros((count + 1, SIDE, *parts.shape[2:]))
    whole[:count] = parts[:, :SIDE]
    whole[1:, : _SEEN - SIDE] += parts[:, SIDE:]
    return whole.flatten(0, 1)[: SIDE * count + _SEEN - SIDE]
