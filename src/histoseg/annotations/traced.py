"""Drawn outlines -> nuclei on the pixel grid, as a model finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from histoseg.annotations.drawing import Dropped, Shape
from histoseg.contracts import Array, Nuclei
from histoseg.ops.polygon_pixels import polygon_spans

MOST = 1024  # shapes traced together
LARGEST = 1 << 24  # px of a box: a region of tissue, no nucleus


def traced(
    objects: Iterable[Shape | Dropped], dropped: list[Dropped]
) -> Iterator[tuple[Nuclei, list[Shape]]]:
    """Turn drawn objects into nuclei, some at a time.

    An object has the pixels whose centre lies inside its outline or on it, so outlines along pixel
    edges and outlines through pixel centres both give back the nuclei they were made from. Of an
    object in several parts the largest is outlined. The class is left 0: labels are with the
    shapes.

    Args:
        objects: What a file holds.
        dropped: Gets what is no nucleus, and why.

    Yields:
        Nuclei, and the shape of each. Ids are the numbers of the file, else their place in it;
        scores without word are 1.
    """
    batch: list[Shape] = []
    count = 0
    for one in objects:
        why = one.why if isinstance(one, Dropped) else _refused(one)
        if isinstance(one, Dropped) or why is not None:
            dropped.append(Dropped(one.where, why or ""))
            continue
        batch.append(one)
        if len(batch) == MOST:
            yield _trace(batch, count, dropped)
            count += len(batch)
            batch = []
    if batch:
        yield _trace(batch, count, dropped)


def _refused(shape: Shape) -> str | None:
    if shape.kind == "point":
        return "a point has no outline"
    width, height = np.ptp(shape.exterior_xy, axis=0)
    return f"{width:.0f} x {height:.0f} px: no nucleus" if width * height > LARGEST else None


def _trace(
    shapes: Sequence[Shape], count: int, dropped: list[Dropped]
) -> tuple[Nuclei, list[Shape]]:
    rings = [[s.exterior_xy, *s.holes_xy] for s in shapes]
    corner = np.array([np.min([r.min(axis=0) for r in one], axis=0) for one in rings])
    corner = np.floor(corner).astype(np.int64)
    reach = np.array([np.max([r.max(axis=0) for r in one], axis=0) for one in rings])
    size = np.floor(reach).astype(np.int64) - corner + 1
    found: list[tuple[int, Array, Array]] = []
    for some in _canvases(size):
        found += _on_canvas(rings, corner, size, some)
    found.sort(key=lambda one: one[0])
    kept = [row for row, _, _ in found]
    for row in sorted(set(range(len(shapes))) - set(kept)):
        dropped.append(Dropped(shapes[row].where, "too small: no pixel has its centre in it"))
    contours = [contour for _, contour, _ in found]
    points = np.concatenate([np.zeros((0, 2), np.int32), *contours]).astype(np.int32)
    low = [contour.min(axis=0) for contour in contours]
    high = [contour.max(axis=0) + 1 for contour in contours]
    numbers = [shapes[i].number or count + i + 1 for i in kept]
    scores = [1.0 if (score := shapes[i].score) is None else score for i in kept]
    nuclei = Nuclei(
        ids=np.array(numbers, np.int64),
        semantic=np.zeros(len(kept), np.int32),
        score=np.array(scores, np.float32),
        centroid_xy=np.array([centre for _, _, centre in found]).reshape(-1, 2),
        box_xyxy=np.concatenate([np.array(low), np.array(high)], axis=-1).reshape(-1, 4),
        points_xy=points,
        offsets=np.cumsum([0, *map(len, contours)], dtype=np.int64),
    )
    return nuclei, [shapes[i] for i in kept]


def _canvases(size: Array) -> Iterator[Array]:
    """Rows of shapes that are painted on one canvas: narrow ones one below the other."""
    order = np.argsort(size.max(axis=1), kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        sides = size[order[start : end + 1]]
        if end == len(order) or sides[:, 0].max() * sides[:, 1].sum() > LARGEST:
            yield order[start:end]
            start = end


def _on_canvas(
    rings: Sequence[list[Array]], corner: Array, size: Array, some: Array
) -> list[tuple[int, Array, Array]]:
    """Row, contour and centroid of each shape that has a pixel."""
    tops = np.cumsum([0, *size[some, 1]])
    width = int(size[some, 0].max())
    moves = np.stack([np.zeros(len(some), np.int64), tops[:-1]], axis=1) - corner[some]
    moved = [ring + moves[k] for k, i in enumerate(some.tolist()) for ring in rings[i]]
    owner = np.repeat(np.arange(len(some)), [len(rings[i]) for i in some.tolist()])
    spans = polygon_spans(moved, owner, (int(tops[-1]), width))
    canvas = np.zeros((int(tops[-1]), width), np.uint8)
    spans.paint(canvas, np.ones(len(spans.owner), np.uint8))
    length = spans.stop - spans.start
    pixels = np.maximum(np.bincount(spans.owner, length, len(some)), 1)
    x = np.bincount(spans.owner, length * (spans.start + spans.stop - 1) / 2, len(some)) / pixels
    y = np.bincount(spans.owner, length * spans.row, len(some)) / pixels
    found = []
    for k, i in enumerate(some.tolist()):
        mask = canvas[tops[k] : tops[k + 1], : size[i, 0]]
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if outlines:
            contour = max(outlines, key=cv2.contourArea)[:, 0] + corner[i]
            found.append((i, contour.astype(np.int32), np.array([x[k], y[k]]) - moves[k]))
    return found
