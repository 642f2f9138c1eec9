import numpy as np
import pytest
from scipy.stats import wilcoxon

from histoseg.metrics.functional.paired import permutation_p, swaps, wilcoxon_p


def test_models_that_never_differ() -> None:
    scores = np.array([0.1, 0.5, np.nan])
    assert wilcoxon_p(scores, scores) == 1
    assert permutation_p(0.0, np.zeros(99)) == 1
    assert permutation_p(5e-17, np.full(99, -4e-17)) == 1, "rounding is no difference"


def test_a_difference_larger_than_any_by_chance() -> None:
    assert permutation_p(0.5, np.linspace(-0.4, 0.4, 99)) == 0.01
    assert permutation_p(-0.3, np.array([0.3, 0.1, -0.2])) == 0.5
    assert np.isnan(permutation_p(float("nan"), np.zeros(3)))


def test_wilcoxon_is_that_of_scipy_without_ties_and_gaps() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 30))
    assert wilcoxon_p(first, second) == wilcoxon(second - first).pvalue
    some = np.concatenate([first, [0.5, np.nan, 0.2]])
    others = np.concatenate([second, [0.5, 0.1, np.nan]])
    assert wilcoxon_p(some, others) == pytest.approx(wilcoxon(second - first).pvalue)
    assert np.isnan(wilcoxon_p(np.array([np.nan]), np.array([1.0])))


def test_a_group_is_exchanged_as_one() -> None:
    tossed = np.concatenate(list(swaps(np.array([0, 1, 1]), 300, seed=0)))
    assert set(np.unique(tossed)) == {0, 1}
    assert (tossed[:, 1] == tossed[:, 2]).all()
    assert 0.4 < tossed[:, 0].mean() < 0.6
