"""Density and hotspots of 200,000 nuclei: ours against plain loops, with equal results.

The loops are those of the original's idea: count nucleus by nucleus, sum each window of 20 x 20
bins, sort all places, take them one after the other. The baseline of the exact search is four times
its time for a quarter of the nuclei: what linear growth would need.
"""

import numpy as np
from _cases import report, seconds

from histoseg.analysis import DensityGrid, Wanted, exact_hotspots, grid_hotspots
from histoseg.contracts import Array

COUNT, SIDE, WINDOW = 200_000, 50, 20
SIZE = (20_000, 20_000)
GOAL = 20
EXACT_GOAL = "30"  # seconds for a million nuclei


def synthetic(count: int, side: int) -> tuple[Array, Array]:
    """Half of the nuclei anywhere, half around 60 places; a fifth are positive."""
    rng = np.random.default_rng(0)
    places = rng.uniform(0, side, (60, 2))
    near = places[rng.integers(0, 60, count)] + rng.normal(0, side / 60, (count, 2))
    xy = np.where(rng.random((count, 1)) < 0.5, near, rng.uniform(0, side, (count, 2)))
    return xy.clip(0, side - 1), 1 + (rng.random(count) < 0.2).astype(np.int32)


def loop_counts(xy: Array, kinds: Array) -> Array:
    counts = np.zeros((3, SIZE[0] // SIDE, SIZE[1] // SIDE), np.int32)
    for (x, y), kind in zip(xy.tolist(), kinds.tolist(), strict=True):
        counts[kind, int((y + 0.5) // SIDE), int((x + 0.5) // SIDE)] += 1
    return counts


def loop_hotspots(counts: Array) -> list[tuple[int, int, int]]:
    positive = counts[2]
    rows, columns = (n - WINDOW + 1 for n in positive.shape)
    places = [
        (-int(positive[r : r + WINDOW, c : c + WINDOW].sum()), r, c)
        for r in range(rows)
        for c in range(columns)
    ]
    chosen: list[tuple[int, int, int]] = []
    for score, r, c in sorted(places):
        if not any(abs(r - s) < WINDOW and abs(c - d) < WINDOW for _, s, d in chosen):
            chosen.append((score, r, c))
        if len(chosen) == 5:
            break
    return chosen


def main() -> None:
    xy, kinds = synthetic(COUNT, SIZE[0])
    wanted = Wanted((SIDE * WINDOW, SIDE * WINDOW), 5)

    def ours() -> list[tuple[int, int, int]]:
        grid = DensityGrid.of(xy, kinds, 2, SIZE, SIDE)
        found = grid_hotspots(grid, (2,), (1, 2), wanted)
        return [(-int(one.score), one.box[1] // SIDE, one.box[0] // SIDE) for one in found]

    counts = loop_counts(xy, kinds)
    assert (DensityGrid.of(xy, kinds, 2, SIZE, SIDE).counts == counts).all()
    assert ours() == loop_hotspots(counts)
    (plain,) = seconds(lambda: loop_hotspots(loop_counts(xy, kinds)), repeats=1)
    (fast,) = seconds(ours, repeats=3)
    report("density and hotspots, 200,000 nuclei", plain, fast, "s", goal=GOAL)

    times = []
    for count in (250_000, 1_000_000):  # of the same density: four times the area
        side = round(80_000 * (count / 1_000_000) ** 0.5)
        xy, kinds = synthetic(count, side)
        pixels, part = xy.astype(np.int64), kinds == 2
        whole, size = np.ones(count, np.bool_), (side, side)
        (once,) = seconds(
            lambda: exact_hotspots(pixels, part, whole, size, Wanted((2000, 2000), 5)),  # noqa: B023
            repeats=1,
        )
        times.append(once)
    report("exact hotspots, 1,000,000 nuclei", 4 * times[0], times[1], "s", goal=EXACT_GOAL)


if __name__ == "__main__":
    main()
