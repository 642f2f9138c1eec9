import numpy as np
import pytest
from hypothesis import given

from histoseg.metrics.functional import overlap
from metrics.functional.oracle import LABELS, intersections


@given(LABELS, LABELS)
def test_pairs_agree_with_masks(true: np.ndarray, pred: np.ndarray) -> None:
    table = overlap(true, pred)
    common, union = intersections(true, pred)
    rows, columns = np.nonzero(common)
    assert np.array_equal(table.true_row, rows)
    assert np.array_equal(table.pred_row, columns)
    assert np.array_equal(table.common, common[rows, columns])
    assert np.array_equal(table.union, union[rows, columns])
    assert table.both_empty == (not true.any() and not pred.any())


def test_ids_may_be_anything() -> None:
    table = overlap(np.array([[2_000_000_000, 5]]), np.array([[7, 2_147_483_647]]))
    assert table.true.ids.tolist() == [5, 2_000_000_000]
    assert table.iou.tolist() == [1.0, 1.0]
    assert table.pred_row.tolist() == [1, 0]


def test_maps_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="same region"):
        overlap(np.zeros((2, 2), dtype=int), np.zeros((2, 3), dtype=int))
