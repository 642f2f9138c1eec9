"""Is one model better than another on the same images: tests on pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import wilcoxon

from histoseg.contracts import Array
from histoseg.metrics.functional.bootstrap import AT_ONCE

ROUNDING = 1e-12  # sums in another order may differ by so much


def swaps(groups: Array, number: int, seed: int) -> Iterator[Array]:
    """Toss a coin for each group: whose result of its images is called the first model's.

    Args:
        groups: Group of each image (N,), integers 0..G-1.
        number: Tosses of all coins.
        seed: Of the coins.

    Yields:
        Whether the two results of an image are exchanged: (b, N), float64, 0 or 1.
    """
    rng = np.random.default_rng(seed)
    count = int(groups.max(initial=-1)) + 1
    for start in range(0, number, AT_ONCE):
        size = min(AT_ONCE, number - start)
        yield rng.integers(0, 2, size=(size, count))[:, groups].astype(np.float64)


def permutation_p(observed: float, exchanged: Array) -> float:
    """Give the two-sided p-value: how often chance alone makes so large a difference.

    Args:
        observed: Difference of the two models.
        exchanged: The difference (B,) with results exchanged at random, from `swaps`.

    Returns:
        (1 + draws at least as large) / (1 + draws); 1 for models that never differ, NaN where
        the difference is NaN.

    Source:
        Phipson and Smyth 2010, "Permutation p-values should never be zero".
    """
    counted = exchanged[~np.isnan(exchanged)]
    if np.isnan(observed):
        return float("nan")
    return float((1 + (np.abs(counted) >= abs(observed) - ROUNDING).sum()) / (1 + len(counted)))


def wilcoxon_p(first: Array, second: Array) -> float:
    """Give the two-sided p-value of the signed-rank test.

    Args:
        first: Scores of one model, one an image (N,); NaN pairs are left out.
        second: Scores of the other, on the same images.

    Returns:
        p-value; 1 where no pair differs, NaN where there is no pair. Pairs without a difference
        are left out (Wilcoxon's own way).
    """
    difference = second - first
    difference = difference[~np.isnan(difference)]
    if not len(difference):
        return float("nan")
    if not difference.any():
        return 1.0
    return float(wilcoxon(difference[difference != 0]).pvalue)
