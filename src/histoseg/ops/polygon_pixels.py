"""Polygons -> pixels, for many polygons at once and without a loop over pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array

TOUCH = 1e-7  # px: what counts as on the outline; rounding of a crossing is a hundred times less
AT_ONCE = 1 << 22  # pixels listed, or rows crossed, at a time


class Spans(NamedTuple):
    """Pixels of N polygons as runs in rows: disjoint within a polygon, sorted by it.

    Attributes:
        owner: (S,), int64. Number of the polygon.
        row: (S,), int64.
        start: (S,), int64. First column.
        stop: (S,), int64. Column after the last.
    """

    owner: Array
    row: Array
    start: Array
    stop: Array

    def pixels(self, count: int) -> Array:
        """Pixels of each of ``count`` polygons: (count,), int64."""
        lengths = self.stop - self.start
        return np.bincount(self.owner, weights=lengths, minlength=count).astype(np.int64)

    def paint(self, canvas: Array, values: Array) -> None:
        """Write values into an image, later runs over earlier ones.

        Args:
            canvas: (H, W), contiguous.
            values: (S,), one for each run.
        """
        flat, width = canvas.reshape(-1), canvas.shape[1]
        lengths = self.stop - self.start
        first = self.row * width + self.start
        for part in _pieces(lengths):
            n = lengths[part]
            offset = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
            flat[np.repeat(first[part], n) + offset] = np.repeat(values[part], n)

    def ordered(self, rank: Array) -> Spans:
        """The same runs, polygons sorted by their ``rank`` (N,)."""
        order = np.argsort(rank[self.owner], kind="stable")
        return Spans(*(column[order] for column in self))


def polygon_spans(rings: Sequence[Array], owner: Array, size: tuple[int, int]) -> Spans:
    """Find the pixels of polygons: those whose centre lies inside the outline or on it.

    Pixel centres are on integers. Several rings of one polygon are joined by the even-odd rule, so
    a ring within another is a hole, whose own outline belongs to the polygon. A ring without area
    (one point, a line) has the pixels whose centres it passes. What lies outside the image is cut
    off.

    Args:
        rings: R arrays (K_i, 2) of finite (x, y), not closed, K_i >= 1.
        owner: (R,), whole numbers of 0 or more, ascending: the polygon of each ring.
        size: (height, width) of the image.

    Returns:
        The pixels.

    Example:
        >>> square = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 1.5], [0.5, 1.5]])
        >>> polygon_spans([square], np.array([0]), (4, 4))[1:]
        (array([1]), array([1]), array([3]))
    """
    if not len(rings):
        return Spans(*np.zeros((4, 0), dtype=np.int64))
    owner = np.asarray(owner, dtype=np.int64)
    crossed = rows_crossed(rings, size)
    # pieces end where a polygon does: its runs are made disjoint together
    piece = np.cumsum(crossed) // AT_ONCE
    starts = np.flatnonzero((np.diff(owner) != 0) & (np.diff(piece) > 0)) + 1
    parts = [
        _spans(rings[a:b], owner[a:b], size)
        for a, b in zip([0, *starts], [*starts, len(rings)], strict=True)
    ]
    return Spans(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def rows_crossed(rings: Sequence[Array], size: tuple[int, int]) -> Array:
    """How many times each ring passes rows of an image: what finding its pixels costs.

    Args:
        rings: R arrays (K_i, 2), K_i >= 1.
        size: (height, width) of the image.

    Returns:
        (R,), float64.
    """
    if not len(rings):
        return np.zeros(0)
    ends = np.cumsum([len(ring) for ring in rings])
    starts = np.append(0, ends[:-1])
    y = np.clip(np.concatenate(rings)[:, 1], 0, size[0])
    step = np.abs(np.diff(y, append=y[:1]))
    step[ends - 1] = np.abs(y[ends - 1] - y[starts])
    return np.asarray(np.add.reduceat(step, starts))


def _spans(rings: Sequence[Array], owner: Array, size: tuple[int, int]) -> Spans:
    lengths = np.array([len(ring) for ring in rings])
    here = np.concatenate(rings).astype(np.float64)
    after = np.arange(1, len(here) + 1)
    after[np.cumsum(lengths) - 1] = np.cumsum(lengths) - lengths
    whose = np.repeat(owner, lengths)
    inside = _between_crossings(here, here[after], whose, size)
    outline = _along_rows(here, here[after], whose, size)
    return _disjoint(Spans(*(np.concatenate(c) for c in zip(inside, outline, strict=True))), size)


def _between_crossings(a: Array, b: Array, owner: Array, size: tuple[int, int]) -> Spans:
    """Runs between the 1st and 2nd, 3rd and 4th ... crossing of each row with a polygon."""
    upper, lower = np.minimum(a[:, 1], b[:, 1]), np.maximum(a[:, 1], b[:, 1])
    first = np.clip(np.ceil(upper), 0, size[0]).astype(np.int64)
    end = np.clip(np.ceil(lower), 0, size[0]).astype(np.int64)
    repeats = end - first
    edge = np.repeat(np.arange(len(a)), repeats)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(repeats) - repeats - first, repeats)
    along = (row - a[edge, 1]) / (b[edge, 1] - a[edge, 1])
    x = a[edge, 0] + along * (b[edge, 0] - a[edge, 0])
    order = np.lexsort((x, row, owner[edge]))
    x, row, owner = x[order], row[order], owner[edge][order]
    return Spans(owner[::2], row[::2], *_columns(x[::2], x[1::2], size))


def _along_rows(a: Array, b: Array, owner: Array, size: tuple[int, int]) -> Spans:
    """Pixels on edges that run along a row, and under corners."""
    level = (a[:, 1] == b[:, 1]) & (a[:, 1] == np.round(a[:, 1]))
    corner = (np.round(a) == a).all(axis=1)
    left = np.concatenate([np.minimum(a[level, 0], b[level, 0]), a[corner, 0]])
    right = np.concatenate([np.maximum(a[level, 0], b[level, 0]), a[corner, 0]])
    row = np.concatenate([a[level, 1], a[corner, 1]])
    whose = np.concatenate([owner[level], owner[corner]])
    within = (row >= 0) & (row < size[0])
    columns = _columns(left[within], right[within], size)
    return Spans(whose[within], row[within].astype(np.int64), *columns)


def _columns(left: Array, right: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    start = np.clip(np.ceil(left - TOUCH), 0, size[1])
    stop = np.clip(np.floor(right + TOUCH) + 1, 0, size[1])
    return start.astype(np.int64), stop.astype(np.int64)


def _disjoint(spans: Spans, size: tuple[int, int]) -> Spans:
    """Cut off of each run what earlier runs of the same polygon and row have."""
    order = np.lexsort((spans.start, spans.row, spans.owner))
    owner, row, start, stop = (column[order] for column in spans)
    base = (owner * size[0] + row) * (size[1] + 1)
    reached = np.maximum.accumulate(base + stop)
    start[1:] = np.maximum(start[1:], reached[:-1] - base[1:])
    keep = start < stop
    return Spans(owner[keep], row[keep], start[keep], stop[keep])


def _pieces(lengths: Array) -> Iterator[slice]:
    """Slices of runs with about ``AT_ONCE`` pixels each."""
    part = np.cumsum(lengths) // AT_ONCE
    ends = np.flatnonzero(np.diff(part)) + 1
    yield from (slice(a, b) for a, b in zip([0, *ends], [*ends, len(lengths)], strict=True))
