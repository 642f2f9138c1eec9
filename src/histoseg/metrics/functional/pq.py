"""Panoptic quality of instance maps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.matching import matched
from histoseg.metrics.functional.overlap import Overlap

TRUE, PRED, MATCHED, IOU = range(4)
"""Columns of a table of counts: objects annotated, predicted, matched, and their sum of IoU."""


class Quality(NamedTuple):
    """Detection, segmentation and panoptic quality; arrays where the counts were."""

    dq: Array
    sq: Array
    pq: Array


def panoptic_quality(table: Overlap, threshold: float = 0.5) -> Quality:
    """Score how many objects were found (DQ), how well (SQ), and both (PQ, their product).

    Args:
        table: Overlap of the annotated and the predicted map.
        threshold: A pair counts as found where its IoU is larger, see `matched`.

    Returns:
        Scores in [0, 1]; NaN where both maps are empty, 0 where one of them is.

    Source:
        Kirillov et al. 2019; for nuclei Graham et al. 2019. As there, SQ divides by the number
        of matches plus 1e-6.

    Example:
        >>> from histoseg.metrics.functional.overlap import overlap
        >>> nuclei = np.array([[1, 1, 0, 2, 2]])
        >>> quality = panoptic_quality(overlap(nuclei, np.array([[7, 7, 0, 0, 8]])))
        >>> float(quality.dq), round(float(quality.sq), 3)
        (0.5, 1.0)
    """
    found = matched(table, threshold)
    counts = (len(table.true), len(table.pred), found.sum(), table.iou[found].sum())
    return quality(np.array(counts, dtype=np.float64))


def quality(counts: Array) -> Quality:
    """Turn counts into scores.

    Args:
        counts: (..., 4), float64: objects annotated, predicted, matched, and their sum of IoU.

    Returns:
        Scores (...); NaN where nothing was annotated or predicted.
    """
    both = counts[..., TRUE] + counts[..., PRED]
    with np.errstate(invalid="ignore"):
        dq = np.where(both > 0, counts[..., MATCHED] / (both / 2), np.nan)
    sq = np.where(both > 0, counts[..., IOU] / (counts[..., MATCHED] + 1e-6), np.nan)
    return Quality(dq, sq, dq * sq)
