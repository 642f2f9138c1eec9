"""Hotspots among windows at any pixel."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from histoseg.analysis.hotspot import Allowed, Hotspot, Wanted, overlaps
from histoseg.analysis.integral import integral_image
from histoseg.contracts import Array

CELLS = 64  # of a window's side: finer ones bound the score better, and are more
TOGETHER = 4  # cells along a side that are opened together: neighbours are much alike
MOST_CELLS = 2**22


def exact_hotspots(
    pixels: Array,
    in_part: Array,
    in_whole: Array,
    size: tuple[int, int],
    wanted: Wanted,
    allowed: Allowed | None = None,
    edges: tuple[float, float] | None = None,
) -> list[Hotspot]:
    """Choose the best windows of all at whole pixels, one after the other, none sharing area.

    The first has the highest score of all windows in the image; each further one the highest of
    those that share no area with the ones before. Of equal ones the upper, then the left counts.

    Places of a window's corner are taken together in cells. What a window can hold at most,
    wherever in the cell its corner is, bounds its score; cells are opened from the highest bound
    down, until no bound is above the best score found. In a cell only those corners matter where
    a nucleus comes in or goes out. Usually few cells are opened, and sorting the nuclei is what
    takes longest: n log n.

    Args:
        pixels: (N, 2), whole numbers: the pixel (x, y) of each nucleus.
        in_part: (N,), bool: whether it is looked for.
        in_whole: (N,), bool: whether it is of those they are compared with, which they are too.
        size: (height, width) of the image.
        wanted: The window and the rule.
        allowed: Leaves boxes out, those beyond the tissue.
        edges: Where ``allowed`` changes: at multiples of these along x and y, px.

    Returns:
        Best first; fewer than wanted where there are no more.
    """
    use = in_part | in_whole
    plane = _Plane(pixels[use], in_part[use], in_whole[use], size, wanted, allowed, edges)
    return plane.search() if min(plane.places) > 0 else []


@dataclass(frozen=True, order=True)
class _Candidate:
    """What waits: the best known of a cell. Cells that are not opened yet come first of equals."""

    minus_score: float
    opened: bool
    top: int
    left: int
    cell: tuple[int, int]
    part: int = 0
    whole: int = 0


class _Plane:
    def __init__(
        self,
        pixels: Array,
        in_part: Array,
        in_whole: Array,
        size: tuple[int, int],
        wanted: Wanted,
        allowed: Allowed | None,
        edges: tuple[float, float] | None,
    ) -> None:
        self.wanted, self.allowed, self.edges = wanted, allowed, edges
        self.places = [n - m + 1 for n, m in zip(size, wanted.window, strict=True)]  # of a corner
        least = int(np.ceil(np.sqrt(size[0] * size[1] / MOST_CELLS)))
        self.fine = max(1, min(wanted.window) // CELLS, least)  # where nuclei are counted
        self.side = TOGETHER * self.fine  # of a cell
        self.rows, self.columns = (-(-n // self.fine) for n in size)
        row, column = (pixels // self.fine).T[::-1]
        order = np.argsort(row * self.columns + column, kind="stable")
        self.x, self.y = pixels[order].T
        self.part, self.whole = in_part[order], in_whole[order]
        number = (row * self.columns + column)[order]
        self.starts = np.searchsorted(number, np.arange(self.rows * self.columns + 1))
        self.chosen: list[Hotspot] = []

    def search(self) -> list[Hotspot]:
        bounds = self._bounds()
        order = np.argsort(-bounds, axis=None, kind="stable")
        order = order[bounds.reshape(-1)[order] > -np.inf]
        waiting: list[_Candidate] = []
        following = 0
        while len(self.chosen) < self.wanted.number:
            while following < len(order) and (
                not waiting or -bounds.flat[order[following]] <= waiting[0].minus_score
            ):
                row, column = divmod(int(order[following]), bounds.shape[1])
                bound = -float(bounds[row, column])
                place = (row * self.side, column * self.side)
                heapq.heappush(waiting, _Candidate(bound, False, *place, (row, column)))
                following += 1
            if not waiting:
                break
            best = heapq.heappop(waiting)
            if best.opened and not self._taken(best):
                self._choose(best)
            opened = self._open(*best.cell)
            if opened is not None:
                heapq.heappush(waiting, opened)
        return self.chosen

    def _choose(self, one: _Candidate) -> None:
        height, width = self.wanted.window
        box = (one.left, one.top, one.left + width, one.top + height)
        self.chosen.append(Hotspot(box, -one.minus_score, one.part, one.whole))

    def _taken(self, one: _Candidate) -> bool:
        place = np.array(one.left), np.array(one.top)
        return bool(overlaps(*place, self.wanted.window, self.chosen))

    def _bounds(self) -> Array:
        """No window whose corner is in a cell has a higher score than this: (rows, columns)."""
        most, _ = self._reached(self.part)
        _, rest = self._reached(self.whole & ~self.part)
        if self.wanted.by == "density":
            scores = most.astype(np.float64)
        else:
            scores = most / np.maximum(most + rest, max(self.wanted.least, 1))
        whole, _ = self._reached(self.whole)
        scores = np.where((most > 0) & (whole >= self.wanted.least), scores, -np.inf)
        margins = [(0, -n % TOGETHER) for n in scores.shape]
        scores = np.pad(scores, margins, constant_values=-np.inf)
        for axis in (0, 1):
            starts = np.arange(0, scores.shape[axis], TOGETHER)
            scores = np.maximum.reduceat(scores, starts, axis=axis)
        return scores

    def _reached(self, which: Array) -> tuple[Array, Array]:
        """Nuclei in a window with its corner in a fine cell, at most and at least."""
        numbers = np.add.reduceat(np.append(which, False).astype(np.int64), self.starts[:-1])
        numbers[self.starts[1:] == self.starts[:-1]] = 0
        sums = integral_image(numbers.reshape(self.rows, self.columns))
        most, least = [], []
        for places, side, n in zip(self.places, self.wanted.window, sums.shape, strict=True):
            first = np.arange(-(-places // self.fine))
            # the corner is at least at the start of its cell, at most in its last pixel
            end = -(-((first + 1) * self.fine - 1 + side) // self.fine)
            most.append((first, np.minimum(end, n - 1)))
            end = (first * self.fine + side) // self.fine
            least.append((first + 1, np.maximum(end, first + 1)))
        return _sums_of(sums, *most), _sums_of(sums, *least)

    def _near(self, row: int, column: int) -> Array:
        """Nuclei that a window with its corner in a cell can hold."""
        ends = [
            min(((cell + 1) * self.side + side - 2) // self.fine + 1, n)
            for cell, side, n in zip(
                (row, column), self.wanted.window, (self.rows, self.columns), strict=True
            )
        ]
        first = np.arange(row * TOGETHER, ends[0]) * self.columns
        begin, end = self.starts[first + column * TOGETHER], self.starts[first + ends[1]]
        return np.concatenate([np.arange(a, b) for a, b in zip(begin, end, strict=True)])

    def _open(self, row: int, column: int) -> _Candidate | None:
        """The best window with its corner in a cell, among those that may be chosen."""
        near, window = self._near(row, column), self.wanted.window
        axes = zip((self.y[near], self.x[near]), (row, column), (0, 1), strict=True)
        tops, lefts = (self._places(values, cell, axis) for values, cell, axis in axes)
        if not len(tops) or not len(lefts):
            return None
        rows = _held(tops, self.y[near], window[0])
        columns = _held(lefts, self.x[near], window[1])
        shape = (len(tops), len(lefts))
        part, whole = (
            _counted(rows[:, which], columns[:, which], shape)
            for which in (self.part[near], self.whole[near])
        )
        scores = self.wanted.scores(part, whole)
        top, left = tops[:, None], lefts[None]
        scores[overlaps(left, top, window, self.chosen)] = -np.inf
        if self.allowed is not None:
            scores[~self.allowed(left, top, left + window[1], top + window[0])] = -np.inf
        i, j = np.unravel_index(int(scores.argmax()), shape)
        if scores[i, j] == -np.inf:
            return None
        place = int(tops[i]), int(lefts[j])
        numbers = int(part[i, j]), int(whole[i, j])
        return _Candidate(-float(scores[i, j]), True, *place, (row, column), *numbers)

    def _places(self, values: Array, cell: int, axis: int) -> Array:
        """Where in a cell a corner may be first: anything changes, or it could not be before."""
        start, side = cell * self.side, self.wanted.window[axis]
        end = min(start + self.side, self.places[axis])
        behind = [one.box[3 - axis] for one in self.chosen]
        steps = [values + 1, values - side + 1, np.array([start, *behind])]
        if self.edges is not None:
            step = self.edges[1 - axis]
            numbers = np.arange(np.floor(start / step), np.ceil(end / step) + 1)
            steps.append(np.ceil(numbers * step))
        places = np.unique(np.concatenate(steps).astype(np.int64))
        return places[(places >= start) & (places < end)]


def _sums_of(sums: Array, rows: Sequence[Array], columns: Sequence[Array]) -> Array:
    (y0, y1), (x0, x1) = rows, columns
    return np.asarray(
        sums[np.ix_(y1, x1)] - sums[np.ix_(y0, x1)] - sums[np.ix_(y1, x0)] + sums[np.ix_(y0, x0)]
    )


def _held(places: Array, values: Array, side: int) -> Array:
    """First and last (exclusive) place of a window that holds each nucleus: (2, N)."""
    return np.searchsorted(places, np.stack([values - side + 1, values + 1]))


def _counted(rows: Array, columns: Array, shape: tuple[int, int]) -> Array:
    """How many nuclei each of a grid of windows holds: each adds one to a rectangle of the grid."""
    change = np.zeros((shape[0] + 1, shape[1] + 1), np.int64)
    for y, x, sign in ((0, 0, 1), (0, 1, -1), (1, 0, -1), (1, 1, 1)):
        np.add.at(change, (rows[y], columns[x]), sign)
    return np.asarray(change.cumsum(axis=0).cumsum(axis=1)[:-1, :-1])
