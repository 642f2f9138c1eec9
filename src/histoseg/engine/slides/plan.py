from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array
from histoseg.slides import Region

Cell = tuple[int, int]


class Key(NamedTuple):
    """One run of the network on one tile; ``step`` is where that is planned."""

    row: int
    column: int
    step: int


class Step(NamedTuple):
    """What there is to do for a region.

    Attributes:
        region: Which.
        fresh: Tiles to run the network on.
        uses: What its maps are put together of, one for each of ``region.cells``.
        drops: What no later region needs, or memory has no room for.
    """

    region: Region
    fresh: tuple[Key, ...]
    uses: tuple[Key, ...]
    drops: tuple[Key, ...]

    @property
    def cells(self) -> Array:
        """Row and column of the fresh tiles: (N, 2)."""
        return np.array([key[:2] for key in self.fresh], np.int64).reshape(-1, 2)


def plan(regions: Sequence[Region], room: int) -> list[Step]:
    """Decide which tiles are kept for later regions, whose halos they lie in.

    Args:
        regions: In the order of work.
        room: Tiles that may be kept from one region to the next. Fewer cost time, nothing else.

    Returns:
        One step a region.
    """
    later: dict[Cell, deque[int]] = defaultdict(deque)
    for number, region in enumerate(regions):
        for cell in _cells(region):
            later[cell].append(number)
    held: dict[Cell, Key] = {}
    steps = []
    for number, region in enumerate(regions):
        cells = _cells(region)
        fresh = [Key(*cell, number) for cell in cells if cell not in held]
        held |= {key[:2]: key for key in fresh}
        uses = tuple(held[cell] for cell in cells)
        for cell in cells:
            later[cell].popleft()
        steps.append(Step(region, tuple(fresh), uses, _dropped(held, later, room)))
    return steps


def _dropped(held: dict[Cell, Key], later: dict[Cell, deque[int]], room: int) -> tuple[Key, ...]:
    """Take out what is not needed again, then what is needed last until the rest has room."""
    gone = [cell for cell in held if not later[cell]]
    left = len(held) - len(gone)
    if left > room:
        needed = sorted((cell for cell in held if later[cell]), key=lambda cell: later[cell][0])
        gone += needed[room:]
    return tuple(held.pop(cell) for cell in gone)


def _cells(region: Region) -> list[Cell]:
    return [(row, column) for row, column in region.cells.tolist()]


def covered(wanted: Array, side: int, step: int, size: tuple[int, int]) -> int:
    """Pixels of a frame that lie in at least one wanted tile.

    Args:
        wanted: (R, C), bool: tiles, which begin every ``step`` pixels.
        side: Of a tile.
        step: From tile to tile; less than ``side`` where they overlap.
        size: Height and width of the frame, at which tiles end.

    Example:
        >>> covered(np.ones((2, 1), bool), side=4, step=3, size=(6, 4))
        24
    """
    (heights, in_rows), (widths, in_columns) = (
        _strips(count, side, step, length) for count, length in zip(wanted.shape, size, strict=True)
    )
    seen = in_rows.astype(np.float32) @ wanted.astype(np.float32) @ in_columns.T > 0
    return int(heights @ seen @ widths)


def _strips(count: int, side: int, step: int, length: int) -> tuple[Array, Array]:
    """Between all edges of tiles along an axis: lengths (S,), and in which tile each is (S, N)."""
    starts = np.arange(count) * step
    ends = np.minimum(starts + side, length)
    edges = np.unique(np.concatenate([starts, ends]))
    low, high = edges[:-1, None], edges[1:, None]
    return np.diff(edges), (starts <= low) & (high <= ends)
