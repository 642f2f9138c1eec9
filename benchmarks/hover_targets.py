"""HoVer-Net's distance maps, all nuclei at once against one after another, on one core."""

from __future__ import annotations

import numpy as np
import torch
from _cases import report, seconds
from numpy.typing import NDArray

from histoseg.targets import hover_maps

TILES, SIDE, NUCLEI = 16, 256, 40
GOAL = 5.0
REPEATS = 9


def main() -> None:
    torch.set_num_threads(1)
    batch = np.stack([draw_nuclei(seed) for seed in range(TILES)])
    tensor = torch.from_numpy(batch)
    np.testing.assert_array_equal(hover_maps(tensor).numpy(), one_by_one(batch))
    works = (lambda: one_by_one(batch), lambda: hover_maps(tensor))
    baseline, ours = (1000 * time / TILES for time in seconds(*works, repeats=REPEATS))
    report("hover targets of a tile, 40 nuclei", baseline, ours, "ms", goal=GOAL)


def draw_nuclei(seed: int) -> NDArray[np.int64]:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    tile = np.zeros((SIDE, SIDE), dtype=np.int64)
    for nucleus in range(1, NUCLEI + 1):
        centre_y, centre_x = random.uniform(0, SIDE, 2)
        radius_y, radius_x = random.uniform(6, 12, 2)
        tile[((y - centre_y) / radius_y) ** 2 + ((x - centre_x) / radius_x) ** 2 <= 1] = nucleus
    return tile


def one_by_one(batch: NDArray[np.int64]) -> NDArray[np.float32]:
    """Follow the paper: mask each nucleus, find its centroid, scale its coordinates."""
    maps = np.zeros((len(batch), 2, *batch.shape[1:]), dtype=np.float32)
    for tile, out in zip(batch, maps, strict=True):
        for nucleus in np.unique(tile[tile > 0]):
            rows, columns = np.nonzero(tile == nucleus)
            for plane, at in zip(out, (columns, rows), strict=True):
                value = (at + 1 - int(at.mean() + 0.5)).astype(np.float32)
                value[value < 0] /= -value.min()
                value[value > 0] /= value.max()
                plane[rows, columns] = value
    return maps


if __name__ == "__main__":
    main()
