"""Numbers of several runs of an experiment: spread, interval, correction for many tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t


class Spread(NamedTuple):
    """Values of repeated runs.

    Attributes:
        mean: Of those that are finite; NaN of none.
        sd: Of a sample; NaN of fewer than two.
        n: Finite values.
        low: Lower end of the interval of the mean, by Student's t; NaN of fewer than two.
        high: Upper end.
    """

    mean: float
    sd: float
    n: int
    low: float
    high: float


def spread(values: Sequence[float], confidence: float = 0.95) -> Spread:
    """Describe the values of repeated runs.

    Args:
        values: One a run; those that are not finite are left out.
        confidence: Of the interval.

    Example:
        >>> s = spread([1.0, 2.0, 3.0])
        >>> s.mean, s.sd, s.n, round(s.low, 2), round(s.high, 2)
        (2.0, 1.0, 3, -0.48, 4.48)
    """
    finite = np.array([v for v in values if np.isfinite(v)], dtype=np.float64)
    n = len(finite)
    if n == 0:
        return Spread(np.nan, np.nan, 0, np.nan, np.nan)
    mean = float(finite.mean())
    if n == 1:
        return Spread(mean, np.nan, 1, np.nan, np.nan)
    sd = float(finite.std(ddof=1))
    around = float(t.ppf((1 + confidence) / 2, n - 1)) * sd / float(np.sqrt(n))
    return Spread(mean, sd, n, mean - around, mean + around)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for being many, by Holm's steps; NaN stays, and counts as no test.

    Args:
        p_values: Of all tests of one question.

    Returns:
        As many, each the smallest level at which its test is still significant.

    Source:
        Holm 1979, "A simple sequentially rejective multiple test procedure".

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [float("nan")] * len(p_values)
    tested = sorted((p, i) for i, p in enumerate(p_values) if not np.isnan(p))
    highest = 0.0
    for rank, (p, i) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - rank)))
        corrected[i] = highest
    return corrected
