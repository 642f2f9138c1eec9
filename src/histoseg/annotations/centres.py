"""Gathering centres of many outlines without holding the outlines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import shapely

from histoseg.annotations.drawing import Shape
from histoseg.annotations.points import Colour, Points
from histoseg.contracts import Array

AT_ONCE = 1024  # outlines held as Python objects


class Centres:
    """Gathers centres and classes, a batch at a time.

    Args:
        origin: What the format calls the centre of the first pixel, as in `Collector`.
    """

    def __init__(self, origin: float = 0.5) -> None:
        self.origin = origin
        self.left_out: list[str] = []
        self._rings: list[Any] = []
        self._xy: list[Array] = []
        self._kinds: list[int] = []
        self._numbers: dict[str | None, int] = {None: 0}
        self._colours: dict[str, Colour] = {}

    def ring(self, ring: Any, label: str | None, colour: Colour | None = None) -> None:
        """Add an object by its outline, (K, 2) as lists, closed or not; a point is one of one."""
        self._rings.append(ring)
        self._kinds.append(self._number(label, colour))
        if len(self._rings) >= AT_ONCE:
            self._flush()

    def points(self, xy: Array, labels: Sequence[str | None]) -> None:
        """Add objects by their centres (N, 2), in coordinates of the file."""
        self._flush()
        self._xy.append(np.asarray(xy, dtype=np.float64).reshape(-1, 2))
        self._kinds += [self._number(label, None) for label in labels]

    def result(self, mpp: float | None = None) -> Points:
        """Everything gathered; centres that are no number are left out."""
        self._flush()
        xy = np.concatenate([np.zeros((0, 2)), *self._xy]) - self.origin
        kinds = np.array(self._kinds, dtype=np.int32)
        fine = np.isfinite(xy).all(axis=1)
        if not fine.all():
            self.left_out.append(f"{np.count_nonzero(~fine)} whose place is no number")
        labels = tuple(label for label in self._numbers if label is not None)
        left_out = tuple(self.left_out)
        return Points(xy[fine], kinds[fine], labels, self._colours, left_out, mpp=mpp)

    def _number(self, label: str | None, colour: Colour | None) -> int:
        if label is not None and colour is not None and label not in self._colours:
            self._colours[label] = colour
        return self._numbers.setdefault(label, len(self._numbers))

    def _flush(self) -> None:
        if self._rings:
            lengths = np.fromiter(map(len, self._rings), np.int64, len(self._rings))
            positions = chain.from_iterable(self._rings)
            flat = np.fromiter(chain.from_iterable(positions), np.float64)
            if len(flat) != 2 * lengths.sum():
                raise ValueError("positions that are not x, y")
            self._xy.append(ring_centres(flat.reshape(-1, 2), lengths))
            self._rings = []


def shape_centres(shapes: Sequence[Shape]) -> Array:
    """Centre of gravity of each shape, (N, 2): of all its parts, without its holes."""
    rings = [ring for shape in shapes for ring in (shape.exterior_xy, *shape.holes_xy)]
    if not rings:
        return np.zeros((0, 2))
    lengths = np.fromiter(map(len, rings), np.int64, len(rings))
    points = np.concatenate(rings)
    centres, starts = ring_centres(points, lengths), np.cumsum(lengths) - lengths
    numbers = np.array([1 + len(shape.holes_xy) for shape in shapes])
    first = np.cumsum(numbers) - numbers
    if (numbers == 1).all():
        return centres
    x, y = points.T
    after = np.arange(len(points)) + 1
    after[starts + lengths - 1] = starts
    weight = np.abs(np.add.reduceat(x * y[after] - x[after] * y, starts)) / 2
    several = np.flatnonzero(np.repeat(numbers, numbers) > 1)
    outline = np.repeat(first, numbers)[several]
    outlines = {i: shapely.make_valid(shapely.Polygon(rings[i])) for i in set(outline.tolist())}
    held = shapely.contains_xy([outlines[i] for i in outline.tolist()], points[starts[several]])
    weight[several[held]] *= -1
    whole = np.add.reduceat(weight, first)
    moments = np.add.reduceat(centres * weight[:, None], first)
    known = (numbers > 1) & (whole > 0)
    centres = centres[first]
    centres[known] = moments[known] / whole[known, None]
    return np.asarray(centres)


def ring_centres(points: Array, lengths: Array) -> Array:
    """Centre of gravity of the area within each outline.

    Of an outline along pixel edges this is the mean of its pixels' centres. One without area, as a
    point or a line, has the mean of its corners; so has one that crosses itself so much that the
    centre would lie outside its bounding box.

    Args:
        points: (M, 2), float64: outlines one after the other, each closed or not.
        lengths: (N,), int64, each at least 1.

    Returns:
        (N, 2), float64.

    Example:
        >>> square = np.array([[0, 0], [4, 0], [4, 2], [0, 2]], dtype=float)
        >>> ring_centres(square, np.array([4])).tolist()
        [[2.0, 1.0]]
    """
    starts = np.cumsum(lengths) - lengths
    base = np.repeat(points[starts], lengths, axis=0)  # near 0 nothing is lost by rounding
    here = points - base
    after = np.arange(len(points)) + 1
    after[starts + lengths - 1] = starts
    there = here[after]
    cross = here[:, 0] * there[:, 1] - there[:, 0] * here[:, 1]
    area = np.add.reduceat(cross, starts)
    moment = np.add.reduceat((here + there) * cross[:, None], starts)
    low, high = np.minimum.reduceat(here, starts), np.maximum.reduceat(here, starts)
    mean = np.add.reduceat(here, starts) / lengths[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = moment / (3 * area[:, None])
        usable = (np.abs(area) > 0) & ((centre >= low) & (centre <= high)).all(axis=1)
    return np.asarray(np.where(usable[:, None], centre, mean) + points[starts])
