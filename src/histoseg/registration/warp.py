"""Pictures in the frame of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from histoseg.contracts import Array

Points = Callable[[Array], Array]
"""Moves points (N, 2), (x, y), from the fixed picture to the moving one."""
Read = Callable[[int, int, int, int], Array]
"""Reads left, top, width, height of a picture; the rectangle lies inside it."""

PART = 1024
"""Side, px, of the parts that pictures are warped in."""


def boxes(size: tuple[int, int], side: int = PART) -> Iterator[tuple[int, int, int, int]]:
    """Cut a picture into rectangles: left, top, width, height, row by row.

    Example:
        >>> list(boxes((3, 5), 4))
        [(0, 0, 4, 3), (4, 0, 1, 3)]
    """
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            yield left, top, min(side, size[1] - left), min(side, size[0] - top)


def sources(points: Points, box: tuple[int, int, int, int]) -> Array:
    """Where the pixels of a rectangle of the fixed picture come from.

    Args:
        points: From fixed to moving.
        box: Left, top, width, height.

    Returns:
        (height, width, 2), float64, (x, y) in the moving picture.
    """
    left, top, width, height = box
    grid = np.meshgrid(np.arange(left, left + width), np.arange(top, top + height))
    where = np.stack(grid, axis=-1).reshape(-1, 2).astype(np.float64)
    return points(where).reshape(height, width, 2)


def inside(where: Array, size: tuple[int, int]) -> Array:
    """Which points lie on a picture: (...), bool, of points (..., 2) and a (height, width)."""
    x, y = where[..., 0], where[..., 1]
    slack = 1e-6
    height, width = size
    return np.asarray(
        (x >= -slack) & (y >= -slack) & (x <= width - 1 + slack) & (y <= height - 1 + slack)
    )


def sample(
    read: Read, size: tuple[int, int], where: Array, *, fill: int, nearest: bool = False
) -> Array:
    """Read a picture at any points, with one interpolation.

    Only the rectangle around the points is read.

    Args:
        read: Of the moving picture.
        size: (height, width) of it.
        where: (h, w, 2), (x, y).
        fill: Value of points that are not on the picture.
        nearest: Whether to take the nearest pixel (labels) instead of bilinear means.

    Returns:
        (h, w) or (h, w, C), of the picture's type.
    """
    on = inside(where, size)
    low = np.clip(np.floor(where.min(axis=(0, 1))).astype(int) - 1, 0, None)
    high = np.minimum(np.ceil(where.max(axis=(0, 1))).astype(int) + 2, (size[1], size[0]))
    if not on.any():
        one = read(0, 0, 1, 1)
        return np.full((*where.shape[:2], *one.shape[2:]), fill, one.dtype)
    pixels = read(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    local = where - low
    if nearest:
        column, row = (
            np.clip(np.rint(local[..., i]).astype(int), 0, pixels.shape[1 - i] - 1) for i in (0, 1)
        )
        result = pixels[row, column]
    else:
        result = _linear(pixels, local)
    result[~on] = fill
    return np.asarray(result)


def reader(image: Array) -> Read:
    """Read an array (H, W) or (H, W, C) as if it were a file."""
    return lambda left, top, width, height: image[top : top + height, left : left + width]


def _linear(pixels: Array, where: Array) -> Array:
    x, y = where[..., 0].astype(np.float32), where[..., 1].astype(np.float32)
    size = pixels.shape[0] - 1, pixels.shape[1] - 1
    np.clip(x, 0, size[1], out=x)
    np.clip(y, 0, size[0], out=y)
    flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(pixels, x, y, flags, borderMode=border))
