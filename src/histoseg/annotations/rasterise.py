"""Drawn objects -> instance and class maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from histoseg.annotations.drawing import Dropped, Shape
from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.ops.polygon_pixels import Spans, polygon_spans, rows_crossed

MAX_PIXELS = 2**28
"""Largest map made or read at once: 1 GiB of ids. No picture of nuclei needs more."""

MAX_CROSSED = 2**22
"""How many times an outline may pass rows of the image; an object drawn by hand takes hundreds."""

Overlap = Literal["smaller", "larger", "later"]


@dataclass(frozen=True)
class Rasterised:
    """Maps of drawn objects.

    Attributes:
        instances: (H, W), int32. Id i is ``shapes[i - 1]``; ids of dropped objects are not there.
        semantic: (H, W), uint8: the class of each pixel; None without classes.
        dropped: Objects that are not in the maps, and why.
    """

    instances: Array
    semantic: Array | None
    dropped: tuple[Dropped, ...]


def rasterise(
    shapes: Sequence[Shape],
    class_of: Callable[[Shape], int | None] | None,
    size: tuple[int, int],
    *,
    overlap: Overlap = "smaller",
    max_lost: float = 0.5,
) -> Rasterised:
    """Paint objects into an instance map and a class map.

    A pixel belongs to an object where its centre lies inside the outline or on it. This gives back
    exactly both what was outlined along pixel edges and what was outlined through pixel centres.
    Parts outside the image are cut off.

    Args:
        shapes: The objects. Points have no area and are dropped.
        class_of: Gives 1..255; 0 for an object that is not wanted, which is left out silently; None
            for an unknown class, which is dropped. No function: no classes.
        size: (height, width) of the maps.
        overlap: Which of two objects keeps the pixels they share: the smaller (by pixels in the
            image; of equal ones the later in the file), the larger, or always the later.
        max_lost: Drop objects of which more than this share lies under others. What remains of
            them is no object any more. 1 drops only what is covered entirely.

    Returns:
        The maps.

    Raises:
        UnreadableFileError: If ``size`` has more than ``MAX_PIXELS`` pixels or none.
    """
    check_size(size)
    classes = np.array([-1 if k is None else k for k in _classes(shapes, class_of)], dtype=np.int64)
    paintable = _paintable(shapes, size)
    drawn = np.flatnonzero(paintable & (classes > 0)).tolist()
    rings = [ring for i in drawn for ring in (shapes[i].exterior_xy, *shapes[i].holes_xy)]
    owner = np.array([i for i in drawn for _ in range(1 + len(shapes[i].holes_xy))])
    spans = polygon_spans(rings, owner, size)
    pixels = spans.pixels(len(shapes))
    instances = np.zeros(size, dtype=np.int32)
    _paint(spans, pixels, overlap, instances)
    left = np.bincount(instances.reshape(-1), minlength=len(shapes) + 1)[1:]
    gone = (left < (1 - max_lost) * pixels) | (left == 0)
    table = np.where(gone, 0, np.arange(1, len(shapes) + 1))
    if gone[drawn].any():
        instances = np.concatenate([[0], table]).astype(np.int32)[instances]
    semantic = None
    if class_of is not None:
        semantic = np.concatenate([[0], classes]).astype(np.uint8)[instances]
    lost = np.flatnonzero((gone | ~paintable | (classes < 0)) & (classes != 0))
    dropped = tuple(
        Dropped(
            shapes[i].where, _why(shapes[i], int(classes[i]), int(pixels[i]), int(left[i]), size)
        )
        for i in lost.tolist()
    )
    return Rasterised(instances, semantic, dropped)


def check_size(size: tuple[int, int], what: str = "the map") -> None:
    """Refuse a size that would take all memory, before anything is allocated.

    Args:
        size: (height, width).
        what: How to call it in the message.

    Raises:
        UnreadableFileError: If it has more than ``MAX_PIXELS`` pixels or none.
    """
    height, width = size
    if height <= 0 or width <= 0 or height * width > MAX_PIXELS:
        raise UnreadableFileError(
            f"{what} has {width} x {height} pixels; expected 1 to {MAX_PIXELS:.3g}: cut larger "
            "images into parts"
        )


def _classes(
    shapes: Sequence[Shape], class_of: Callable[[Shape], int | None] | None
) -> list[int | None]:
    return [1] * len(shapes) if class_of is None else [class_of(shape) for shape in shapes]


def _paintable(shapes: Sequence[Shape], size: tuple[int, int]) -> Array:
    """Whether each shape has an outline, and one that can be followed in memory."""
    rings = [ring for s in shapes for ring in (s.exterior_xy, *s.holes_xy)]
    owner = [i for i, s in enumerate(shapes) for _ in range(1 + len(s.holes_xy))]
    crossed = np.bincount(owner, weights=rows_crossed(rings, size), minlength=len(shapes))
    drawn = np.array([shape.kind == "polygon" for shape in shapes], dtype=bool)
    return drawn & (crossed < MAX_CROSSED)


def _paint(spans: Spans, pixels: Array, overlap: Overlap, instances: Array) -> None:
    numbers = np.arange(len(pixels))
    if overlap == "later":
        rank = numbers
    else:
        size = -pixels if overlap == "smaller" else pixels
        rank = np.empty_like(numbers)
        rank[np.lexsort((numbers, size))] = numbers
    spans = spans.ordered(rank)
    spans.paint(instances, spans.owner + 1)


def _why(shape: Shape, kind: int, pixels: int, left: int, size: tuple[int, int]) -> str:
    """Why an object is not in the maps."""
    if shape.kind == "point":
        return "a point has no area"
    if kind < 0:
        return f"unknown class: label {shape.label!r}, colour {_hex(shape.colour)}"
    if pixels:
        return f"overlapping: {pixels - left} of its {pixels} pixels belong to other objects"
    low, high = shape.exterior_xy.min(axis=0), shape.exterior_xy.max(axis=0)
    if (high < -0.5).any() or (low > (size[1] - 0.5, size[0] - 0.5)).any():
        return f"outside the image of {size[1]} x {size[0]} pixels"
    if len(shape.exterior_xy) > size[0]:
        return f"no object: its {len(shape.exterior_xy)} points pass the image thousands of times"
    return "too small: no pixel has its centre in it"


def _hex(colour: tuple[int, int, int] | None) -> str | None:
    return None if colour is None else "#{:02x}{:02x}{:02x}".format(*colour)
