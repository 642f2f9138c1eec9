"""Images whose range is known: [0, 1], or the 256 levels that networks of features expect."""

from __future__ import annotations

import torch
from torch import Tensor

SLACK = 1e-4
"""How far a blend of tiles may leave [0, 1] by rounding; the tenth part of what 8 bits can show."""


def in_unit_range(images: Tensor, what: str) -> Tensor:
    """Check that images are in [0, 1], and cut off what rounding added.

    Args:
        images: Any shape, floating.
        what: Their name, for the message.

    Returns:
        The same, float32 at least, within [0, 1].

    Raises:
        ValueError: If the images are not floating, empty, or leave [0, 1]; says the range.
    """
    if not images.is_floating_point() or not images.numel():
        raise ValueError(
            f"{what} is {tuple(images.shape)} {images.dtype}; expected floating images in [0, 1]"
        )
    low, high = images.min().item(), images.max().item()
    if not (low >= -SLACK and high <= 1 + SLACK):  # so NaN is refused too
        raise ValueError(
            f"{what} came in [{low:.4g}, {high:.4g}], expected [0, 1]; "
            "(x + 1) / 2 for what a tanh gave, x / 255 for levels"
        )
    wide = images if images.dtype == torch.float64 else images.float()
    return wide.clamp(0, 1)


def to_levels(images: Tensor, what: str = "images") -> Tensor:
    """Bring images to what is written into a PNG: three channels of 256 levels.

    Every way to hold the same picture comes out the same: uint8, and floats of any width.

    Args:
        images: (B, c, H, W), c 1 or 3: uint8 in 0..255, or floating in [0, 1].
        what: Their name, for messages.

    Returns:
        (B, 3, H, W), uint8: rounded, not cut off; one channel is repeated.

    Raises:
        ValueError: If the shape or the range is another; says which came.

    Example:
        >>> to_levels(torch.full((1, 1, 1, 1), 0.5)).flatten().tolist()
        [128, 128, 128]
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"{what} is {tuple(images.shape)}; expected (B, 1 or 3, H, W)")
    if images.dtype != torch.uint8:
        images = in_unit_range(images, what).mul(255).round().to(torch.uint8)
    return images.expand(-1, 3, -1, -1)
