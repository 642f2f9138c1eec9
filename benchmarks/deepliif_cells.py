"""Cells of Seg pictures: ours against the rules followed pixel by pixel, with equal results.

The plain way is the order of work of the original without a compiler: classes, background and
cells each by a walk over pixels, then the density of sizes cell by cell. At 4096 px, where it takes
minutes, ours is compared with its own time at 512 px and 64 times the area.
"""

import math
from collections.abc import Iterator

import numpy as np
from _cases import report, seconds

from histoseg.contracts import Array
from histoseg.postprocess import DeepLIIFCells
from histoseg.postprocess.deepliif_drawing import class_mask, overlay, refined

GOAL = 20
TILE = "0.04"  # seconds for 512 px
FLAT = 0.67  # time may grow by half more than the area
FOUR = ((-1, 0), (0, -1), (0, 1), (1, 0))
EIGHT = (*FOUR, (-1, -1), (-1, 1), (1, -1), (1, 1))
Cell = tuple[int, int, int]  # size, whether positive, marker


def synthetic(side: int) -> tuple[Array, Array, Array]:
    """A Seg picture with a cell or a speck every 24 px, its marker, and a brightfield picture."""
    random = np.random.default_rng(0)
    seg = random.integers(0, 30, (side, side, 3)).astype(np.uint8)
    y, x = np.ogrid[:24, :24]
    for top in range(0, side - 23, 24):
        for left in range(0, side - 23, 24):
            away = (y - random.uniform(10, 14)) ** 2 + (x - random.uniform(10, 14)) ** 2
            radius = random.uniform(1, 3) if random.random() < 0.3 else random.uniform(5, 9)
            patch = seg[top : top + 24, left : left + 24]
            patch[away <= (radius + 1.5) ** 2] = (10, 200, 20)
            patch[away <= radius**2] = (220, 10, 15) if random.random() < 0.2 else (10, 15, 220)
            patch[away <= (radius / 3) ** 2, 1] = 120
    marker = np.repeat(random.integers(0, 256, (side, side, 1)).astype(np.uint8), 3, axis=2)
    return seg, marker, np.full((side, side, 3), 220, np.uint8)


def around(place: int, side: int, steps: tuple[tuple[int, int], ...]) -> Iterator[int]:
    y, x = divmod(place, side)
    for dy, dx in steps:
        if 0 <= y + dy < side and 0 <= x + dx < side:
            yield (y + dy) * side + x + dx


def plain_cells(seg: Array, marker: Array) -> list[Cell]:
    side = len(seg)
    pixels = seg.reshape(-1, 3).tolist()
    strength = [max(p) for p in marker.reshape(-1, 3).tolist()]
    kind = [(1 if r >= b else 2) if r + b > 120 and g <= 80 else 0 for r, g, b in pixels]
    outside = [False] * len(kind)
    edge = [*range(side), *range(len(kind) - side, len(kind))]
    edge += [*range(0, len(kind), side), *range(side - 1, len(kind), side)]
    stack = [place for place in edge if not kind[place]]
    for place in stack:
        outside[place] = True
    while stack:
        for other in around(stack.pop(), side, FOUR):
            if not kind[other] and not outside[other]:
                outside[other] = True
                stack.append(other)
    cells = []
    for place in range(len(kind)):
        if not outside[place]:
            outside[place] = True
            cell = plain_cell(place, side, kind, outside, strength)
            if cell[0] > 4:
                cells.append(cell)
    return cells


def plain_cell(
    place: int, side: int, kind: list[int], seen: list[bool], strength: list[int]
) -> Cell:
    stack, size, votes, most = [place], 0, [0, 0, 0], 0
    while stack:
        place = stack.pop()
        size += 1
        votes[kind[place]] += 1
        most = max(most, strength[place])
        for other in around(place, side, EIGHT):
            if not seen[other]:
                seen[other] = True
                stack.append(other)
    return size, int(votes[1] >= votes[2]), most


def plain_threshold(cells: list[Cell]) -> int:
    roots = [math.sqrt(size) for size, _, _ in cells]
    step = (max(roots) + 1) / 500
    scale = len(roots) * math.sqrt(2 * math.pi)
    curve = [
        np.float32(sum(math.exp(-0.5 * (k * step - r) ** 2) for r in roots) / scale)
        for k in range(500)
    ]
    dips = (k for k in range(1, 499) if curve[k - 1] > curve[k] < curve[k + 1])
    gap = (next(dips, 1) - 1) * step
    return round((7 if gap > 10 else max(gap, 4)) ** 2)


def plain(seg: Array, marker: Array) -> tuple[int, int, int]:
    cells = plain_cells(seg, marker)
    least = plain_threshold(cells)
    called = [positive or most > 250 for size, positive, most in cells if size > least]
    return least, sum(map(bool, called)), len(called)


def main() -> None:
    ours = DeepLIIFCells(marker_thresh=250)

    def counted(seg: Array, marker: Array) -> tuple[int, int, int]:
        found = ours.find_in(seg, marker)
        calls = ours.settle([found.nuclei()])
        semantic = ours.called(found, calls).semantic
        return calls.size_thresh, int((semantic == 1).sum()), len(semantic)

    once: dict[int, float] = {}
    for side in (512, 2048, 4096):
        seg, marker, original = synthetic(side)
        name = f"cells of a Seg picture, {side} px"
        (once[side],) = seconds(lambda: counted(seg, marker), repeats=5)  # noqa: B023
        if side < 4096:
            assert plain(seg, marker) == counted(seg, marker)
            (slow,) = seconds(lambda: plain(seg, marker), repeats=1)  # noqa: B023
            report(name, slow, once[side], "s", goal=GOAL)
        else:
            report(f"{name}: linear", 64 * once[512], once[side], "s", goal=FLAT)
        if side == 512:
            report("the same, by itself", slow, once[side], "s", goal=TILE)
        region = ours.find_in(seg, marker)

        def drawn() -> None:
            cells = region.instances  # noqa: B023
            mask = class_mask(cells.labels, cells.semantic, region.covered)  # noqa: B023
            overlay(original, mask)  # noqa: B023
            refined(mask)

        megapixels = side**2 / 1e6
        (draw,) = seconds(drawn, repeats=3)
        print(f"drawing both, {side} px: {draw / megapixels:.3f} s a megapixel")


if __name__ == "__main__":
    main()
