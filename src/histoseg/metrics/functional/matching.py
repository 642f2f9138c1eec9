"""Which annotated object is which predicted one."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from histoseg.contracts import Array
from histoseg.metrics.functional.overlap import Overlap


def matched(table: Overlap, threshold: float = 0.5) -> Array:
    """Match objects one to one where their IoU is larger than a threshold.

    From 0.5 on at most one partner can qualify. Below, the pairs with the largest sum of IoU
    are taken first, and of these the ones above the threshold.

    Args:
        table: Overlap of the two maps.
        threshold: IoU in [0, 1); a pair at exactly this IoU is no match.

    Returns:
        Whether each pair of the table is a match: (L,), bool.

    Raises:
        ValueError: If the threshold is not in [0, 1).
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"IoU threshold is {threshold}; expected 0 or more and below 1")
    above = table.iou > threshold
    return above if threshold >= 0.5 else above & assigned(table, table.iou)


def assigned(table: Overlap, weight: Array) -> Array:
    """Choose pairs, each object at most once, with the largest sum of weights.

    Args:
        table: Overlap of the two maps.
        weight: Worth of each pair (L,), float in (0, 1]; pairs not in the table are worth 0.

    Returns:
        Whether each pair of the table is chosen: (L,), bool.
    """
    chosen = np.zeros(len(weight), dtype=bool)
    if not len(weight):
        return chosen
    rows, columns = len(table.true), len(table.pred)
    alone = np.arange(rows)
    # The solver matches every row, so each has a column of its own that means "no partner".
    # Costs are shifted by 2 because it takes a stored 0 for a missing edge.
    cost = coo_array(
        (
            np.concatenate([2 - weight, np.full(rows, 2.0)]),
            (
                np.concatenate([table.true_row, alone]),
                np.concatenate([table.pred_row, columns + alone]),
            ),
        ),
        shape=(rows, columns + rows),
    )
    row, column = min_weight_full_bipartite_matching(cost.tocsr())
    partner = np.full(rows, -1)
    partner[row] = column
    chosen[partner[table.true_row] == table.pred_row] = True
    return chosen
