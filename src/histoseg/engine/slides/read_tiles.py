from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array
from histoseg.engine.slides.source import Source, opened
from histoseg.engine.slides.workers import Cost, measured
from histoseg.slides import Grid
from histoseg.slides.box import Box

Change = Callable[[Array], Array]
SPARSE = 0.5
"""Below this share of wanted tiles in their common box each is read by itself."""


@dataclass(frozen=True)
class ReadTask:
    """Tiles to read.

    Attributes:
        source: The slide.
        grid: Where its tiles lie.
        cells: (N, 2), row and column of each.
        normalise: What the network needs done to each, pixel by pixel; None for nothing.
    """

    source: Source
    grid: Grid
    cells: Array
    normalise: Change | None = None


class Tiles(NamedTuple):
    """What was read: (N, tile, tile, 3), uint8, as it is and as the network sees it; its cost."""

    pixels: Array
    seen: Array
    cost: Cost


def read_tiles(task: ReadTask) -> Tiles:
    """Read the inputs of tiles; beyond the border of the slide it is mirrored.

    Raises:
        UnreadableFileError: If the slide is damaged there.
    """
    with measured() as cost:
        pixels = seen = _read(task)
        if task.normalise is not None and len(pixels):
            seen = np.stack([task.normalise(tile) for tile in pixels])
    return Tiles(pixels, seen, cost())


def _read(task: ReadTask) -> Array:
    grid, cells, frame = task.grid, task.cells, opened(task.source)
    pixels = np.empty((len(cells), grid.tile, grid.tile, 3), np.uint8)
    if not len(cells):
        return pixels
    boxes = [grid.input_box(cell) for cell in cells]
    if len(cells) < SPARSE * np.prod(np.ptp(cells, axis=0) + 1):
        for tile, box in zip(pixels, boxes, strict=True):
            tile[:] = frame.read(box.left, box.top, box.width, box.height, outside="mirror")
        return pixels
    edges = np.array(boxes)
    whole = Box(*edges[:, :2].min(axis=0).tolist(), *edges[:, 2:].max(axis=0).tolist())
    picture = frame.read(whole.left, whole.top, whole.width, whole.height, outside="mirror")
    for tile, box in zip(pixels, boxes, strict=True):
        tile[:] = picture[box.slices(whole)]
    return pixels
