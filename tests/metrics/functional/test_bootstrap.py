import numpy as np
import pytest

from histoseg.metrics.functional.bootstrap import draws, percentiles


def mean_interval(values: np.ndarray, groups: np.ndarray, number: int, seed: int) -> tuple:
    weights = np.concatenate(list(draws(groups, number, seed)))
    return percentiles(weights @ values / weights.sum(axis=1))


def test_as_many_groups_are_drawn_as_there_are_and_whole() -> None:
    groups = np.array([0, 1, 1, 2, 2, 2])
    weights = np.concatenate(list(draws(groups, 450, seed=0)))
    assert weights.shape == (450, 6)
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    again = np.concatenate(list(draws(groups, 450, seed=0)))
    assert (weights == again).all(), "the same seed, the same draws"
    assert (weights != np.concatenate(list(draws(groups, 450, seed=1)))).any()


def test_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        sample = rng.normal(0.6, 0.1, 60)
        low, high = mean_interval(sample, np.arange(60), 400, seed)
        covered += low <= 0.6 <= high
    assert 0.90 <= covered / 200 <= 0.985


def test_images_of_one_patient_count_as_one_so_the_interval_is_wider() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(0.6, 0.1, 12), 10)
    single = mean_interval(values, np.arange(120), 500, 0)
    grouped = mean_interval(values, np.repeat(np.arange(12), 10), 500, 0)
    assert np.diff(grouped) > 2 * np.diff(single)


def test_ends() -> None:
    assert percentiles(np.arange(101.0), 0.9) == (pytest.approx(5), pytest.approx(95))
    assert percentiles(np.array([np.nan, 1.0])) == (1, 1)
    assert np.isnan(percentiles(np.array([np.nan]))).all()
    with pytest.raises(ValueError, match=r"confidence is 95; expected between 0 and 1"):
        percentiles(np.zeros(3), 95)
