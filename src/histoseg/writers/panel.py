"""Pictures side by side, and maps as pictures: what TensorBoard and reports show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histoseg.contracts import Array
from histoseg.writers.legend import title

GAP = 6  # white between pictures, px
READABLE = 128  # width that a title needs, px


def panel(images: Sequence[Sequence[Array]], titles: Sequence[str] = ()) -> Array:
    """Set pictures in rows and columns on white.

    Args:
        images: Rows of pictures (h, w, 3) uint8; all rows have equally many. A smaller picture
            stands in the middle of its cell.
        titles: One for each column, or none.

    Returns:
        (H, W, 3), uint8.

    Raises:
        ValueError: If rows differ in length, a picture is not RGB, or titles do not fit.

    Example:
        >>> panel([[np.zeros((10, 20, 3), np.uint8)] * 2]).shape
        (22, 58, 3)
    """
    columns = {len(row) for row in images}
    if len(columns) != 1 or 0 in columns or len(titles) not in (0, *columns):
        raise ValueError(
            f"rows have {sorted(columns)} pictures and there are {len(titles)} titles:"
            " expected rows of one length and a title for each column"
        )
    for picture in (picture for row in images for picture in row):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(f"expected (h, w, 3) uint8, got {picture.shape} {picture.dtype}")
    widths = [max(row[j].shape[1] for row in images) for j in range(max(columns))]
    lines = [
        [_centred(p, max(q.shape[0] for q in row), w) for p, w in zip(row, widths, strict=True)]
        for row in images
    ]
    if titles:
        lines.insert(0, [title(text, w) for text, w in zip(titles, widths, strict=True)])
    return _joined([_joined(line, axis=1) for line in lines], axis=0)


def enlarged(picture: Array) -> Array:
    """Repeat the pixels of a small picture until it is as wide as its title needs.

    Example:
        >>> enlarged(np.zeros((32, 64, 3), np.uint8)).shape
        (64, 128, 3)
    """
    times = -(-READABLE // picture.shape[1])
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _centred(picture: Array, height: int, width: int) -> Array:
    down, right = height - picture.shape[0], width - picture.shape[1]
    around = ((down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0))
    return np.pad(picture, around, constant_values=255)


def _joined(pictures: Sequence[Array], axis: int) -> Array:
    before = [(0, 0), (0, 0), (0, 0)]
    before[axis] = (GAP, 0)
    after = [(0, 0), (0, 0), (0, 0)]
    after[axis] = (0, GAP)
    joined = np.concatenate([np.pad(p, before, constant_values=255) for p in pictures], axis=axis)
    return np.pad(joined, after, constant_values=255)


def hv_to_rgb(values: Array) -> Array:
    """Colour a map of signed distances: blue below zero, white at zero, red above.

    Args:
        values: (H, W), floating point; what leaves [-1, 1] gets the end colour.

    Returns:
        (H, W, 3), uint8.

    Example:
        >>> hv_to_rgb(np.array([[-1.0, 0.0, 1.0]])).tolist()
        [[[0, 0, 255], [255, 255, 255], [255, 0, 0]]]
    """
    value = np.clip(np.nan_to_num(values), -1, 1)
    fade = 1 - np.abs(value)
    red, blue = np.where(value < 0, fade, 1), np.where(value > 0, fade, 1)
    return np.asarray((np.stack([red, fade, blue], axis=-1) * 255 + 0.5).astype(np.uint8))


def colour_semantic(semantic: Array, colours: Sequence[tuple[int, int, int]]) -> Array:
    """Colour a class map (H, W) of 0..K with K colours; 0 is black.

    Returns:
        (H, W, 3), uint8.

    Raises:
        ValueError: If a class has no colour.
    """
    highest = int(semantic.max(initial=0))
    if highest > len(colours):
        raise ValueError(f"class {highest} has no colour, there are {len(colours)}: add one")
    return np.asarray(np.array([(0, 0, 0), *colours], dtype=np.uint8)[semantic])
