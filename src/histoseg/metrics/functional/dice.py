"""Dice scores of instance maps."""

from __future__ import annotations

from histoseg.metrics.functional.overlap import Overlap


def dice1(table: Overlap) -> float:
    """Dice of foreground against background, whatever the objects are.

    Args:
        table: Overlap of the annotated and the predicted map.

    Returns:
        Score in [0, 1]; NaN where both maps are empty, 0 where one of them is.
    """
    if table.both_empty:
        return float("nan")
    return float(2 * table.common.sum() / (table.true.area.sum() + table.pred.area.sum()))


def dice2(table: Overlap) -> float:
    """Dice pooled over every pair of overlapping objects ("ensemble Dice").

    An object counts once for every partner, so cutting and merging cost twice. Objects without
    any partner do not count: of two maps that never meet the score is 0, as where one is empty.

    Args:
        table: Overlap of the annotated and the predicted map.

    Returns:
        Score in [0, 1]; NaN where both maps are empty.

    Source:
        Vu et al. 2019, as computed by vqdang/hover_net.
    """
    if table.both_empty:
        return float("nan")
    areas = table.true.area[table.true_row] + table.pred.area[table.pred_row]
    return float(2 * table.common.sum() / max(areas.sum(), 1))
