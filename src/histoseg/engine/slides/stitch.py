from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from histoseg.contracts import Array
from histoseg.slides import Grid, Region


def stitch(grid: Grid, region: Region, tiles: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Put what was said of the tiles of a region together.

    Where outputs overlap they are blended linearly, in the order of the tiles.

    Args:
        grid: Where tiles lie.
        region: Which region.
        tiles: For each of ``region.cells`` maps by name, each (C, output, output).

    Returns:
        Maps (C, h, w) of ``region.box``, in the type of the tiles; 0 where there is no tile.
    """
    height, width = region.box.height, region.box.width
    whole = {n: np.zeros((len(m), height, width), m.dtype) for n, m in tiles[0].items()}
    weight = _ramp(grid.output, grid.overlap)
    total = np.zeros((height, width), np.float32) if grid.overlap else None
    for cell, maps in zip(region.cells, tiles, strict=True):
        box = grid.output_box(cell)
        inside = box.clipped(region.box)
        here, there = inside.slices(region.box), inside.slices(box)
        for name, values in maps.items():
            if total is None or values.dtype == np.uint8:
                whole[name][:, *here] = values[:, *there]
            else:
                whole[name][:, *here] += values[:, *there] * weight[there]
        if total is not None:
            total[here] += weight[there]
    if total is None:
        return whole
    total[total == 0] = 1
    return {n: m if m.dtype == np.uint8 else m / total for n, m in whole.items()}


def covered(grid: Grid, region: Region) -> Array:
    """Which pixels of a region's box lie in the output of one of its tiles: (h, w), bool."""
    inside = np.zeros((region.box.height, region.box.width), np.bool_)
    for cell in region.cells:
        inside[grid.output_box(cell).clipped(region.box).slices(region.box)] = True
    return inside


def _ramp(output: int, overlap: int) -> Array:
    """Weight of each pixel of a tile's output: 1, falling linearly over the overlaps."""
    distance = np.arange(1, output + 1, dtype=np.float32)
    line = (np.minimum(distance, distance[::-1]) / np.float32(overlap + 1)).clip(max=1)
    return np.asarray(line[:, None] * line)
