import numpy as np
import pytest
from hypothesis import given

from histoseg.metrics.functional import dice1, dice2, overlap
from metrics.functional.oracle import LABELS, plain_dice2


@given(LABELS, LABELS)
def test_both_agree_with_masks(true: np.ndarray, pred: np.ndarray) -> None:
    table = overlap(true, pred)
    np.testing.assert_allclose(dice2(table), plain_dice2(true, pred), atol=1e-12)
    if true.any() or pred.any():
        both = ((true > 0) & (pred > 0)).sum()
        plain = 2 * both / ((true > 0).sum() + (pred > 0).sum())
        assert dice1(table) == pytest.approx(plain, abs=1e-12)
    else:
        assert np.isnan(dice1(table))


def test_cutting_a_nucleus_costs_dice2_but_not_dice1() -> None:
    table = overlap(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]]))
    assert dice1(table) == 1
    assert dice2(table) == pytest.approx(8 / 12)
