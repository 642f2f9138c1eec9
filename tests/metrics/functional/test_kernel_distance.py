import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.image.kid import poly_mmd

from histoseg.metrics.functional.kernel_distance import kernel_distance, squared_mmd


def plain(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The unbiased estimate as it is written: a double sum over pairs of different images."""

    def kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return (float(np.dot(a, b)) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(a, b) for a in x for b in y)
    return within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)


def sets(seed: int, n: int, m: int, shift: float = 0.0) -> tuple[NDArray[np.float64], ...]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 5)), rng.normal(size=(m, 5)) + shift


def test_the_plain_formula_with_unequal_numbers() -> None:
    x, y = sets(0, 14, 9, 0.5)
    assert squared_mmd(x, y) == pytest.approx(plain(x, y), rel=1e-12)


def test_torchmetrics_kernel_says_the_same() -> None:
    x, y = sets(1, 30, 30, 1.0)
    oracle = poly_mmd(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert squared_mmd(x, y) == pytest.approx(oracle, rel=1e-12)


def test_one_distribution_gives_0_in_the_mean_and_a_shift_does_not() -> None:
    same = [squared_mmd(*sets(seed, 20, 20)) for seed in range(300)]
    error = np.std(same) / math.sqrt(len(same))
    assert abs(np.mean(same)) < 4 * error
    assert min(same) < 0  # unbiased, so not all can be positive
    assert squared_mmd(*sets(0, 20, 20, 2.0)) > 10 * np.std(same)


def test_draws_are_seeded_and_near_the_whole() -> None:
    x, y = sets(2, 200, 150, 0.7)
    mean, spread = kernel_distance(x, y, subsets=50, size=60, seed=3)
    assert (mean, spread) == kernel_distance(x, y, subsets=50, size=60, seed=3)
    assert mean != kernel_distance(x, y, subsets=50, size=60, seed=4)[0]
    assert spread > 0
    assert abs(mean - squared_mmd(x, y)) < 4 * spread / math.sqrt(50)


def test_a_set_no_larger_than_a_draw_is_taken_whole() -> None:
    x, y = sets(3, 40, 20)
    mean, spread = kernel_distance(x, y, size=20)
    assert mean == squared_mmd(x, y)
    assert math.isnan(spread)


def test_one_image_is_refused() -> None:
    with pytest.raises(ValueError, match="there are 1"):
        kernel_distance(*sets(4, 1, 20))
