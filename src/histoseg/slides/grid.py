from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from histoseg.contracts import Array
from histoseg.slides.box import Box
from histoseg.slides.frame import Frame
from histoseg.slides.tissue_mask import TissueMask


@dataclass(frozen=True)
class Region:
    """A part of the frame that is decoded at once.

    Attributes:
        number: Place in the order of all regions of the grid, wanted or not.
        core: What it owns: the cores of all regions cover each pixel of the frame once.
        box: ``core`` and its halo, cut at the edges of the frame.
        cells: (N, 2), int64. Row and column of each tile that has a part in ``box``, in order.
    """

    number: int
    core: Box
    box: Box
    cells: Array


@dataclass(frozen=True)
class Grid:
    """Where the tiles of a frame lie, and which of them are decoded together.

    Tiles lie on one lattice for the whole frame, so what a network says of a pixel does not depend
    on regions. The outputs of the tiles (``tile - 2 * margin`` wide) cover the frame, each pixel
    exactly once where ``overlap`` is 0; the last ones, and the inputs of all at the border, reach
    over its edge, where the frame is to be read mirrored. Regions are blocks of whole outputs with
    a halo: an object no longer than the halo is whole in the region whose core has its first pixel.

    Attributes:
        size: (height, width) of the frame.
        tile: Side of a network's input, pixels.
        margin: Pixels that the network loses on each side.
        cells: Tiles along the side of a region.
        halo: Pixels of neighbouring regions that are decoded with a region.
        overlap: Pixels by which neighbouring outputs overlap, to be blended.

    Raises:
        ValueError: If a setting leaves no output or no step.

    Example:
        >>> grid = Grid((1000, 1000), tile=256, margin=46, cells=4)
        >>> grid.shape, len(list(grid.regions()))
        ((7, 7), 4)
    """

    size: tuple[int, int]
    tile: int
    margin: int
    cells: int = 12
    halo: int = 64
    overlap: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that would cover nothing."""
        if min(self.size) < 1:
            raise ValueError(f"the frame is {self.size}, expected at least one pixel")
        if not 0 <= 2 * self.margin < self.tile:
            raise ValueError(f"a margin of {self.margin} leaves nothing of a tile of {self.tile}")
        if not 0 <= self.overlap < self.output:
            raise ValueError(f"outputs of {self.output} px cannot overlap by {self.overlap}")
        if self.cells < 1 or self.halo < 0:
            raise ValueError(f"cells={self.cells}, halo={self.halo}: expected 1 or more, and 0")

    @property
    def output(self) -> int:
        """Side of what the network gives of a tile."""
        return self.tile - 2 * self.margin

    @property
    def step(self) -> int:
        """Pixels from one tile to the next."""
        return self.output - self.overlap

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        rows, columns = (max(1, -(-(n - self.overlap) // self.step)) for n in self.size)
        return rows, columns

    def output_box(self, cell: Array) -> Box:
        """What the tile (row, column) says of the frame; may reach over its edge."""
        top, left = int(cell[0]) * self.step, int(cell[1]) * self.step
        return Box(left, top, left + self.output, top + self.output)

    def input_box(self, cell: Array) -> Box:
        """What the network reads for the tile (row, column)."""
        return self.output_box(cell).grown(self.margin)

    def read_box(self, region: Region) -> Box:
        """The smallest box with the inputs of all tiles of a region."""
        first, last = region.cells.min(axis=0), region.cells.max(axis=0)
        start, end = self.input_box(first), self.input_box(last)
        return Box(start.left, start.top, end.right, end.bottom)

    def wanted(self, mask: TissueMask, frame: Frame) -> Array:
        """Which tiles have tissue in their output: (rows, columns), bool."""
        rows, columns = self.shape
        top, left = np.arange(rows)[:, None] * self.step, np.arange(columns) * self.step
        bottom = np.minimum(top + self.output, self.size[0])
        right = np.minimum(left + self.output, self.size[1])
        sx, sy = frame.scale
        return mask.any_in(left * sx, top * sy, right * sx, bottom * sy)

    def regions(self, wanted: Array | None = None) -> Iterator[Region]:
        """The regions that have a wanted tile in their core, row by row.

        Args:
            wanted: (rows, columns), bool, as of `wanted`; None for all tiles.

        Raises:
            ValueError: If ``wanted`` has another shape.
        """
        rows, columns = self.shape
        if wanted is not None and wanted.shape != (rows, columns):
            raise ValueError(f"wanted is {wanted.shape}, the grid has {(rows, columns)} tiles")
        number = 0
        for row in range(0, rows, self.cells):
            for column in range(0, columns, self.cells):
                core = self._core(row, column)
                if len(self._touching(core, wanted)):
                    box = core.grown(self.halo).clipped(self._frame)
                    yield Region(number, core, box, self._touching(box, wanted))
                number += 1

    @property
    def _frame(self) -> Box:
        return Box(0, 0, self.size[1], self.size[0])

    def _core(self, row: int, column: int) -> Box:
        """Core of the region whose first tile this is; the last ones take what is left."""
        edges = []
        for first, count, length in zip(
            (column, row), self.shape[::-1], self.size[::-1], strict=True
        ):
            last = first + self.cells
            edges.append((first * self.step, length if last >= count else last * self.step))
        (left, right), (top, bottom) = edges
        return Box(left, top, right, bottom)

    def _touching(self, box: Box, wanted: Array | None) -> Array:
        """Wanted tiles whose output has a pixel in a box: (N, 2), row by row."""
        (top, bottom), (left, right) = (
            (max(0, (low - self.output) // self.step + 1), min(count, -(-high // self.step)))
            for low, high, count in zip(box[1::-1], box[3:1:-1], self.shape, strict=True)
        )
        part = np.ones((bottom - top, right - left), np.bool_)
        if wanted is not None:
            part = wanted[top:bottom, left:right]
        return np.asarray(np.argwhere(part) + np.array([top, left]))
