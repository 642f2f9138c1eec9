import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoseg.metrics.functional import overlap
from histoseg.metrics.functional.matching import assigned, matched
from metrics.functional.oracle import LABELS, best_sum, intersections


@given(LABELS, LABELS)
def test_assignment_is_one_to_one_and_best(true: np.ndarray, pred: np.ndarray) -> None:
    table = overlap(true, pred)
    chosen = assigned(table, table.iou)
    for row in (table.true_row, table.pred_row):
        assert len(np.unique(row[chosen])) == chosen.sum()
    common, union = intersections(true, pred)
    if common.size:
        best = best_sum(common / np.maximum(union, 1))
        assert table.iou[chosen].sum() == pytest.approx(best, abs=1e-12)
    else:
        assert not chosen.any()


@given(LABELS, LABELS, st.sampled_from([0.0, 0.2, 0.5, 0.8]))
def test_matches_are_one_to_one_and_above(
    true: np.ndarray, pred: np.ndarray, threshold: float
) -> None:
    table = overlap(true, pred)
    found = matched(table, threshold)
    assert (table.iou[found] > threshold).all()
    for row in (table.true_row, table.pred_row):
        assert len(np.unique(row[found])) == found.sum()
    if threshold >= 0.5:
        assert found.sum() == (table.iou > threshold).sum()


def test_iou_at_the_threshold_is_no_match() -> None:
    table = overlap(np.array([[1, 1, 0, 2, 2, 2]]), np.array([[1, 0, 0, 2, 2, 0]]))
    assert table.iou.tolist() == [0.5, 2 / 3]
    assert matched(table).tolist() == [False, True]
    assert matched(table, 0.49).tolist() == [True, True]


@pytest.mark.parametrize("threshold", [-0.1, 1.0, 50])
def test_impossible_thresholds_are_refused(threshold: float) -> None:
    nothing = np.zeros((2, 2), dtype=int)
    with pytest.raises(ValueError, match="IoU threshold"):
        matched(overlap(nothing, nothing), threshold)
