"""How many objects are found at one IoU threshold after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.matching import assigned
from histoseg.metrics.functional.overlap import Overlap
from histoseg.metrics.functional.ratio import ratio

THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
"""0.50, 0.55 .. 0.95."""


def hits(table: Overlap, thresholds: Sequence[float] = THRESHOLDS) -> Array:
    """Count matched objects at each threshold; the counts of several images add up.

    A pair matches where its IoU is *at least* the threshold, each object at most once: as
    StarDist and Cellpose count. (Panoptic quality wants *more* than 0.5. The two differ only
    where an IoU is exactly the threshold.)

    Args:
        table: Overlap of the annotated and the predicted map.
        thresholds: IoU, each in (0, 1].

    Returns:
        Matches (len(thresholds),), int64.

    Raises:
        ValueError: If a threshold is not in (0, 1].

    Source:
        ``matching`` of stardist/stardist, ``average_precision`` of MouseLand/cellpose.
    """
    outside = [t for t in thresholds if not 0 < t <= 1]
    if outside:
        raise ValueError(f"IoU thresholds are {outside}; expected above 0 and at most 1")
    return np.array([_matches(table, t) for t in thresholds], dtype=np.int64)


def average_precision(hits: Array, true: Array, pred: Array) -> Array:
    """Give TP / (TP + FP + FN), what StarDist and Cellpose call average precision.

    It is no area under a curve: these predictions have no confidence to move along.

    Args:
        hits: Matched objects, any shape.
        true: Annotated objects, of a shape that fits.
        pred: Predicted objects, of a shape that fits.

    Returns:
        Scores in [0, 1]; NaN where nothing was annotated or predicted.
    """
    return ratio(hits, true + pred - hits)


def _matches(table: Overlap, threshold: float) -> int:
    enough = table.iou >= threshold
    # a second partner can reach it only below one half, or where both share exactly half
    if threshold > 0.5 or (threshold == 0.5 and not (table.iou == threshold).any()):
        return int(enough.sum())
    # most pairs first, then the largest IoU: a pair more is worth more than all IoU together
    worth = np.where(enough, (1 + table.iou / (len(enough) + 1)) / 2, 0)
    return int((enough & assigned(table, worth)).sum())
