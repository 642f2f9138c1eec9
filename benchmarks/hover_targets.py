"""HoVer-Net's distance maps, all nuclei at once against one after another, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
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
    baseline, ours = medians(lambda: one_by_one(batch), lambda: hover_maps(tensor))
    ratio = baseline / ours
    print(
        f"hover_maps, {baseline:.2f} ms/tile, {ours:.2f} ms/tile, {ratio:.1f}x, "
        f"goal {GOAL:.0f}x, {'ok' if ratio >= GOAL else 'short'}"
    )


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


def medians(*works: Callable[[], object]) -> list[float]:
    """Milliseconds per tile of each, in turns, so that a busy machine slows all alike."""
    times = np.empty((REPEATS, len(works)))
    for i in range(REPEATS):
        for j, work in enumerate(works):
            start = time.perf_counter()
            work()
            times[i, j] = time.perf_counter() - start
    medians: list[float] = np.median(1000 * times / TILES, axis=0).tolist()
    return medians


if __name__ == "__main__":
    main()
