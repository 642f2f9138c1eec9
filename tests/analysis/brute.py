"""Definitions in plain loops, to compare with."""

import numpy as np

from histoseg.analysis import Hotspot, Wanted
from histoseg.contracts import Array

Box = tuple[int, int, int, int]


def inside(pixels: Array, box: Box) -> Array:
    x, y = pixels.T
    return (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])


def share_area(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def hotspots(
    pixels: Array,
    part: Array,
    whole: Array,
    size: tuple[int, int],
    wanted: Wanted,
    tissue: Array | None = None,
    step: int = 1,
) -> list[Hotspot]:
    """Every window at multiples of ``step``, again for each hotspot."""
    height, width = wanted.window
    every = []
    for top in range(0, size[0] - height + 1, step):
        for left in range(0, size[1] - width + 1, step):
            box = (left, top, left + width, top + height)
            if tissue is not None and not tissue[top : top + height, left : left + width].all():
                continue
            held = inside(pixels, box)
            p, w = int((held & part).sum()), int((held & whole).sum())
            if p and w >= wanted.least:
                score = float(p) if wanted.by == "density" else p / w
                every.append((-score, top, left, Hotspot(box, score, p, w)))
    every.sort(key=lambda one: one[:3])
    chosen: list[Hotspot] = []
    for *_, one in every:
        if len(chosen) < wanted.number and not any(share_area(one.box, c.box) for c in chosen):
            chosen.append(one)
    return chosen


def counts(xy: Array, kinds: Array, classes: int, size: tuple[int, int], side: int) -> Array:
    grid = np.zeros((classes + 1, -(-size[0] // side), -(-size[1] // side)), np.int32)
    for (x, y), kind in zip(xy.tolist(), kinds.tolist(), strict=True):
        grid[kind, int((y + 0.5) // side), int((x + 0.5) // side)] += 1
    return grid
