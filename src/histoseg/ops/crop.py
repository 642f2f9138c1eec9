"""Cutting the middle out of tensors."""

from __future__ import annotations

from torch import Tensor


def centre_crop(tensor: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut the central rectangle; where the margin is odd, the extra row or column goes at the end.

    Args:
        tensor: (..., H, W), any type.
        size: Height and width to keep, pixels.

    Returns:
        A view (..., height, width).

    Raises:
        ValueError: If ``size`` is empty or larger than the tensor.

    Example:
        >>> import torch
        >>> centre_crop(torch.arange(5).view(1, 5), (1, 2))
        tensor([[1, 2]])
    """
    height, width = tensor.shape[-2:]
    if not (0 < size[0] <= height and 0 < size[1] <= width):
        raise ValueError(
            f"cannot cut {size[0]} x {size[1]} out of {height} x {width}; "
            "ask for a positive size that is not larger"
        )
    top, left = centre_start(height, size[0]), centre_start(width, size[1])
    return tensor[..., top : top + size[0], left : left + size[1]]


def centre_start(length: int, kept: int) -> int:
    """Tell where the central ``kept`` of ``length`` pixels begin.

    Example:
        >>> centre_start(5, 2)
        1
    """
    return (length - kept) // 2
