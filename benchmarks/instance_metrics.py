"""Seven scores of one image from one table, against one mask per nucleus and score.

The baseline is the published way: PQ, AJI and AJI+ each cut out every annotated nucleus, look which
predictions it meets, and measure each of these pairs on whole-image masks.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from _cases import report, seconds
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from histoseg.metrics.functional.dice import dice2
from histoseg.metrics.functional.image import instance_scores
from histoseg.metrics.functional.overlap import overlap

Array = NDArray[Any]
SIZE, NUCLEI, GOAL = 1000, 800, 150.0
MEMORY = 5  # times what the two maps take


def ellipses(rng: np.random.Generator) -> tuple[Array, Array]:
    """Annotation, and a prediction that shifts, resizes and sometimes misses its ellipses."""
    true, pred = np.zeros((2, SIZE, SIZE), dtype=np.int32)
    for number in range(1, NUCLEI + 1):
        centre, axes = rng.integers(0, SIZE, 2), rng.integers(6, 13, 2)
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(true, centre.tolist(), axes.tolist(), angle, 0, 360, number, -1)
        if rng.random() < 0.93:
            moved, resized = centre + rng.integers(-3, 4, 2), axes + rng.integers(-2, 3, 2)
            cv2.ellipse(pred, moved.tolist(), resized.tolist(), angle, 0, 360, number, -1)
    return true, pred


def pairs_by_masks(true: Array, pred: Array) -> tuple[Array, Array, Array, Array]:
    """Intersections and unions (T, P), areas (T,), (P,)."""
    true_ids, pred_ids = np.unique(true)[1:], np.unique(pred)[1:]
    column = {number: index for index, number in enumerate(pred_ids)}
    common, union = np.zeros((2, len(true_ids), len(pred_ids)))
    for row, number in enumerate(true_ids):
        mask = true == number
        for partner in np.unique(pred[mask]):
            if partner:
                other = pred == partner
                shared = (mask & other).sum()
                common[row, column[partner]] = shared
                union[row, column[partner]] = mask.sum() + other.sum() - shared
    true_area = np.array([(true == number).sum() for number in true_ids])
    pred_area = np.array([(pred == number).sum() for number in pred_ids])
    return common, union, true_area, pred_area


def plain_pq(true: Array, pred: Array) -> dict[str, float]:
    common, union, true_area, pred_area = pairs_by_masks(true, pred)
    iou = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    hits = iou > 0.5
    dq = hits.sum() / ((len(true_area) + len(pred_area)) / 2)
    sq = iou[hits].sum() / (hits.sum() + 1e-6)
    return {"dq": dq, "sq": sq, "pq": dq * sq}


def pooled(
    common: Array, union: Array, areas: tuple[Array, Array], rows: Array, cols: Array
) -> float:
    alone = np.delete(areas[0], rows).sum() + np.delete(areas[1], np.unique(cols)).sum()
    return common[rows, cols].sum() / (union[rows, cols].sum() + alone)


def plain_aji(true: Array, pred: Array) -> dict[str, float]:
    common, union, *areas = pairs_by_masks(true, pred)
    jaccard = common / (union + 1e-6)
    rows = np.flatnonzero(jaccard.max(axis=1) > 0)
    return {"aji": pooled(common, union, tuple(areas), rows, jaccard[rows].argmax(axis=1))}


def plain_aji_plus(true: Array, pred: Array) -> dict[str, float]:
    common, union, *areas = pairs_by_masks(true, pred)
    jaccard = common / (union + 1e-6)
    rows, cols = linear_sum_assignment(-jaccard)
    real = jaccard[rows, cols] > 0
    return {"aji_plus": pooled(common, union, tuple(areas), rows[real], cols[real])}


def plain_dice2(true: Array, pred: Array) -> dict[str, float]:
    common, _, true_area, pred_area = pairs_by_masks(true, pred)
    rows, cols = np.nonzero(common)
    total = true_area[rows].sum() + pred_area[cols].sum()
    return {"dice2": 2 * common[rows, cols].sum() / total}


def plain_scores(true: Array, pred: Array) -> dict[str, float]:
    both = (true > 0).sum() + (pred > 0).sum()
    dice = {"dice": 2 * ((true > 0) & (pred > 0)).sum() / both}
    parts = (plain_dice2, plain_pq, plain_aji, plain_aji_plus)
    return {**dice, **{k: v for part in parts for k, v in part(true, pred).items()}}


def fast_scores(true: Array, pred: Array) -> dict[str, float]:
    table = overlap(true, pred)
    return instance_scores(table) | {"dice2": dice2(table)}


def memory(work: Callable[[], object]) -> float:
    """Most memory that a work holds at once, MiB."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def main() -> None:
    true, pred = ellipses(np.random.default_rng(0))
    plain, ours = plain_scores(true, pred), fast_scores(true, pred)
    assert plain.keys() == ours.keys()
    for name, value in plain.items():
        assert abs(value - ours[name]) < 1e-12, f"{name}: {value} and {ours[name]}"
    (baseline,) = seconds(lambda: plain_scores(true, pred), repeats=1)
    (fast,) = seconds(lambda: fast_scores(true, pred), repeats=9)
    report("seven scores of an image", 1000 * baseline, 1000 * fast, "ms", goal=GOAL)
    maps = (true.nbytes + pred.nbytes) / 2**20
    most = str(round(MEMORY * maps, 1))
    report(
        "  memory, beside the two maps",
        maps,
        memory(lambda: fast_scores(true, pred)),
        "MiB",
        goal=most,
    )


if __name__ == "__main__":
    main()
