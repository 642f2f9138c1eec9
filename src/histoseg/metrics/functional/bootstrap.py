"""How much would a score change with other images: the percentile bootstrap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from histoseg.contracts import Array

AT_ONCE = 200  # draws in memory at a time


def draws(groups: Array, number: int, seed: int) -> Iterator[Array]:
    """Draw as many groups as there are, with replacement, again and again.

    Images of one group (a patient, a slide) are alike: they are drawn together or not at all.

    Args:
        groups: Group of each image (N,), integers 0..G-1.
        number: Draws.
        seed: Of the draws.

    Yields:
        How often each image was drawn: (b, N), float64; all b together are ``number``.

    Source:
        Efron and Tibshirani 1993; Field and Welsh 2007 for groups.
    """
    rng = np.random.default_rng(seed)
    count = int(groups.max(initial=-1)) + 1
    for start in range(0, number, AT_ONCE):
        size = min(AT_ONCE, number - start)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=size)
        yield drawn[:, groups].astype(np.float64)


def percentiles(samples: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Cut off the same share of draws on both sides.

    Args:
        samples: A score in each draw (B,); NaN where a draw says nothing, and is left out.
        confidence: Share of the draws that lie between.

    Returns:
        Lower and upper end; NaN where no draw says anything.

    Raises:
        ValueError: If the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected between 0 and 1, usually 0.95")
    counted = samples[~np.isnan(samples)]
    if not len(counted):
        return float("nan"), float("nan")
    low, high = np.quantile(counted, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
