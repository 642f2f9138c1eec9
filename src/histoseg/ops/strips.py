"""Work on large images with little memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from histoseg.contracts import Array

_PIXELS: Final = 2**20


def in_strips(change: Callable[[Array], Array], image: Array) -> Array:
    """Change an image pixel by pixel, some rows at a time.

    Args:
        change: Rows (h, W, C) to rows of the same shape and type, each pixel by itself.
        image: (H, W, C).

    Returns:
        The changed image, of the same shape and type.
    """
    rows = max(1, _PIXELS // max(1, image.shape[1]))
    if len(image) <= rows:
        return change(image)
    changed = np.empty_like(image)
    for top in range(0, len(image), rows):
        changed[top : top + rows] = change(image[top : top + rows])
    return changed
