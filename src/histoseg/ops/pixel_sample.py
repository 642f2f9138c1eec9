"""Pixels that stand for an image."""

from __future__ import annotations

from typing import Final

from histoseg.contracts import Array

_ENOUGH: Final = 2**18


def pixel_sample(image: Array) -> Array:
    """Take all pixels of a small image, and every n-th row and column of a larger one.

    Args:
        image: (H, W, C).

    Returns:
        (N, C), N at most about 2^18; the same ones each time.

    Example:
        >>> import numpy as np
        >>> pixel_sample(np.zeros((4, 5, 3))).shape
        (20, 3)
    """
    step = 1
    while (image.shape[0] // step) * (image.shape[1] // step) > _ENOUGH:
        step += 1
    return image[::step, ::step].reshape(-1, image.shape[2])
