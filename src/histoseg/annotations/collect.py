from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np
import shapely

from histoseg.annotations.drawing import Drawing, Dropped, Shape
from histoseg.contracts import Array

WHOLE = 0.95  # share of the area that one part must hold: freehand lines end in a tiny loop
FARTHEST = 1e7  # px: beyond any slide; float64 keeps 1e-9 px there


class Said(TypedDict, total=False):
    """What a file says of an object besides its outline: fields of `Shape`."""

    label: str | None
    colour: tuple[int, int, int] | None
    score: float | None
    number: int | None
    detected: bool


class Collector:
    """Gathers the objects of one file and refuses what is no object.

    Points must be finite and at most 1e7 px away; a polygon needs three different ones and an area.
    An outline that crosses itself is repaired where one part keeps 95 % of the area (freehand
    lines end in a tiny loop), else dropped.

    Args:
        origin: What the format calls the centre of the first pixel, subtracted from every
            coordinate: 0.5 where (0, 0) is its upper left corner.
    """

    def __init__(self, origin: float = 0.5) -> None:
        self.origin = origin
        self.shapes: list[Shape] = []
        self.dropped: list[Dropped] = []

    def polygon(
        self, where: str, rings: Sequence[Any] | Array, *, check: bool = True, **said: Unpack[Said]
    ) -> None:
        """Add an object.

        Args:
            where: Its place in the file.
            rings: Its outline, then its holes and further parts; each (K, 2), closed or not; or
                boxes (R, 4, 2).
            check: Whether the outline must have an area and not cross itself. Not for outlines
                through pixel centres, which fold on themselves where an object is a pixel thick.
            said: Label, colour, score and number.
        """
        try:
            if isinstance(rings, np.ndarray):
                arrays = list(self._finite(rings))
            else:
                arrays = [self._points(ring) for ring in rings]
            if not arrays:
                raise ValueError("it has no outline")
            if check:
                arrays = _simple(arrays)
        except ValueError as error:
            self.drop(where, str(error))
            return
        self.shapes.append(Shape("polygon", arrays[0], tuple(arrays[1:]), where=where, **said))

    def line(self, where: str, points: Any, **said: Unpack[Said]) -> None:
        """Add an open line: an object where it ends at its start, else dropped."""
        try:
            array = _numbers(points)
        except ValueError as error:
            self.drop(where, str(error))
            return
        if len(array) > 3 and np.array_equal(array[0], array[-1]):
            self.polygon(where, [array], **said)
        else:
            self.drop(where, "unclosed: a line that does not end at its start has no area")

    def ellipse(self, where: str, corners: Any, **said: Unpack[Said]) -> None:
        """Add the ellipse within four corners of a rectangle, in order, turned or not."""
        try:
            corners = self._points(corners)
        except ValueError as error:
            self.drop(where, str(error))
            return
        if len(corners) != 4:
            self.drop(where, f"an ellipse has 4 corners, here are {len(corners)}")
            return
        centre = corners.mean(axis=0) + self.origin
        u, v = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
        # a chord lies less than 0.01 px inside an arc of this many parts
        radius = float(max(np.hypot(*u), np.hypot(*v)))
        parts = int(np.clip(np.pi / np.sqrt(2 * 0.01 / max(radius, 1.0)), 32, 10_000))
        t = np.linspace(0, 2 * np.pi, parts, endpoint=False)[:, None]
        self.polygon(where, [centre + np.cos(t) * u + np.sin(t) * v], **said)

    def points(self, where: str, points: Any, **said: Unpack[Said]) -> None:
        """Add points, each an object."""
        try:
            array = self._points(points)
        except ValueError as error:
            self.drop(where, str(error))
            return
        self.shapes += [Shape("point", row[None], where=where, **said) for row in array]

    def taken(self) -> Iterator[Shape | Dropped]:
        """Hand over what was gathered, and forget it."""
        yield from self.shapes
        yield from self.dropped
        self.shapes, self.dropped = [], []

    def drop(self, where: str, why: str) -> None:
        """Note that something was left out."""
        self.dropped.append(Dropped(where, why))

    def drawing(
        self,
        size: tuple[int, int] | None = None,
        mpp: float | None = None,
        image: str | None = None,
    ) -> Drawing:
        """Everything gathered."""
        return Drawing(tuple(self.shapes), tuple(self.dropped), size, mpp, image)

    def _points(self, points: Any) -> Array:
        array = self._finite(_numbers(points))
        return array[:-1] if len(array) > 1 and (array[0] == array[-1]).all() else array

    def _finite(self, array: Array) -> Array:
        array = array - self.origin
        if not np.isfinite(array).all():
            raise ValueError("a coordinate is NaN or infinite")
        if np.abs(array).max() > FARTHEST:
            raise ValueError(f"a coordinate is {np.abs(array).max():.3g}, no image is that large")
        return np.asarray(array)


def as_score(value: Any) -> float | None:
    """A number in [0, 1] as it is; None for anything else."""
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if usable else None


def as_number(value: Any) -> int | None:
    """A whole number of 1 or more as it is, also as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    return value if type(value) is int and 0 < value < 2**63 else None


def _numbers(points: Any) -> Array:
    """X and y of points, (K, 2), float64; what else is said of them is left out."""
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"its points are not numbers: {error}") from error
    if array.ndim != 2 or array.shape[1] < 2 or not len(array):
        raise ValueError(f"its points have shape {array.shape}, expected (K, 2)")
    return array[:, :2]


def _simple(rings: list[Array]) -> list[Array]:
    """Rings that do not cross themselves; the first is an outline."""
    kept = [ring for ring in rings if len(ring) > 2]
    if kept and kept[0] is rings[0]:
        outlines = [shapely.Polygon(ring) for ring in kept]
        if all(outline.is_valid for outline in outlines):
            return kept
    points = len(np.unique(rings[0], axis=0))
    if points < 3:
        raise ValueError(f"an outline needs 3 points, here are {points}")
    return [part for ring in kept for part in _repaired(ring)]


def _repaired(ring: Array) -> Iterable[Array]:
    outline = shapely.Polygon(ring)
    if outline.is_valid:
        return [ring]
    parts = shapely.get_parts(shapely.make_valid(outline))
    areas = shapely.area(parts)
    if not areas.sum() > 0:
        raise ValueError("its outline has no area")
    if areas.max() < WHOLE * areas.sum():
        raise ValueError(
            f"self-crossing: it falls into parts of {np.sort(areas)[::-1][:3].round(1)} px²"
        )
    largest = parts[int(areas.argmax())]
    return [shapely.get_coordinates(r)[:-1] for r in (largest.exterior, *largest.interiors)]
