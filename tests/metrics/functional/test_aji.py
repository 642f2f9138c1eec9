import numpy as np
import pytest
from hypothesis import given

from histoseg.metrics.functional import aji, aji_plus, overlap
from metrics.functional.oracle import LABELS, plain_aji


@given(LABELS, LABELS)
def test_aji_agrees_with_masks(true: np.ndarray, pred: np.ndarray) -> None:
    np.testing.assert_allclose(aji(overlap(true, pred)), plain_aji(true, pred), atol=1e-12)


@given(LABELS, LABELS)
def test_both_lie_in_0_to_1(true: np.ndarray, pred: np.ndarray) -> None:
    table = overlap(true, pred)
    for score in (aji(table), aji_plus(table)):
        assert 0 <= score <= 1 or (table.both_empty and np.isnan(score))


def test_one_prediction_over_two_nuclei_is_paid_for_twice_by_aji_only() -> None:
    true = np.array([[1, 1, 1, 2, 2, 0]])
    table = overlap(true, (true > 0).astype(int))
    assert aji(table) == pytest.approx(5 / 10)
    assert aji_plus(table) == pytest.approx(3 / 7)


def test_aji_plus_takes_the_matching_with_the_largest_sum() -> None:
    # Alone, each nucleus would take prediction 1; together 1 goes to the second one.
    true = np.array([[1, 1, 1, 1, 2, 2, 2, 2, 2, 2]])
    pred = np.array([[7, 3, 3, 3, 3, 3, 3, 3, 3, 3]])
    table = overlap(true, pred)
    assert aji_plus(table) == pytest.approx((1 + 6) / (4 + 9))
