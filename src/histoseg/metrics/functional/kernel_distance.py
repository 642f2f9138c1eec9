"""Distance between two sets of features without bias, so that small sets can be compared: KID."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array


def squared_mmd(features: Array, others: Array) -> float:
    """Unbiased squared maximum mean discrepancy under the kernel (x . y / d + 1)^3.

    Args:
        features: (n, d), n at least 2.
        others: (m, d), m at least 2.

    Returns:
        0 in the mean where both sets are drawn from one distribution; it may be negative.

    Source:
        Gretton et al. 2012, equation 3; Binkowski et al. 2018, for the kernel.
    """
    x, y = (side.astype(np.float64, copy=False) for side in (features, others))
    return _within(x) + _within(y) - 2 * float(_kernel(x, y).mean())


def kernel_distance(
    features: Array, others: Array, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Mean and spread of `squared_mmd` over random subsets.

    Args:
        features: (n, d), n at least 2.
        others: (m, d), m at least 2.
        subsets: Number of draws.
        size: Images of each side in a draw, without replacement. Where a side has no more than
            these, all images of both sides are taken once.
        seed: Of the draws.

    Returns:
        Mean, and standard deviation over draws; NaN for the latter if there is one draw only.

    Raises:
        ValueError: If a side has fewer than two images.

    Source:
        Binkowski et al. 2018, "Demystifying MMD GANs".
    """
    fewest = min(len(features), len(others))
    if fewest < 2:
        raise ValueError(f"KID needs two images of each side at least, there are {fewest}")
    if fewest <= size:
        return squared_mmd(features, others), float("nan")
    rng = np.random.default_rng(seed)
    draws = [
        squared_mmd(
            features[rng.permutation(len(features))[:size]],
            others[rng.permutation(len(others))[:size]],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(draws)), float(np.std(draws))


def _kernel(x: Array, y: Array) -> Array:
    base: Array = x @ y.T / x.shape[1] + 1
    return base * base * base


def _within(x: Array) -> float:
    gram = _kernel(x, x)
    return float((gram.sum() - np.trace(gram)) / (len(x) * (len(x) - 1)))
