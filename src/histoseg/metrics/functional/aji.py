"""Aggregated Jaccard index of instance maps."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.matching import assigned
from histoseg.metrics.functional.overlap import Overlap


def aji(table: Overlap) -> float:
    """Pool intersections and unions over nuclei, each with its best partner.

    Every annotated object takes the prediction of largest Jaccard index (of several equal ones
    the one with the smallest id), even one already taken. Objects left over on either side are
    added to the union.

    Args:
        table: Overlap of the annotated and the predicted map.

    Returns:
        Score in [0, 1]; NaN where both maps are empty, 0 where one of them is.

    Source:
        Kumar et al. 2017, with the 1e-6 in the Jaccard index of Graham et al. 2019.
    """
    order = np.lexsort((table.pred_row, -_jaccard(table), table.true_row))
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(table.true_row[order]) > 0
    best = np.zeros(len(order), dtype=bool)
    best[order[first]] = True
    return _pooled(table, best)


def aji_plus(table: Overlap) -> float:
    """Pool intersections and unions over nuclei matched one to one.

    As `aji`, but no prediction is used twice: the matching with the largest sum of Jaccard
    indices counts, so that one large prediction is not paid for many times.

    Args:
        table: Overlap of the annotated and the predicted map.

    Returns:
        Score in [0, 1]; NaN where both maps are empty, 0 where one of them is.

    Source:
        Graham et al. 2019 (vqdang/hover_net ``stats_utils.py``).
    """
    return _pooled(table, assigned(table, _jaccard(table)))


def _jaccard(table: Overlap) -> Array:
    return table.common / (table.union + 1e-6)


def _pooled(table: Overlap, chosen: Array) -> float:
    if table.both_empty:
        return float("nan")
    union = table.union[chosen].sum()
    for side, row in ((table.true, table.true_row), (table.pred, table.pred_row)):
        union += np.delete(side.area, row[chosen]).sum()
    return float(table.common[chosen].sum() / union)
