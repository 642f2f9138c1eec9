"""How sure a classifier is of each image, and how varied it finds them: the Inception Score."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, logsumexp

from histoseg.contracts import Array


def inception_score(logits: Array, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """Mean and spread over parts of ``exp(mean KL(p(class | image) || p(class)))``.

    Args:
        logits: (n, K).
        splits: Number of parts, as equal as can be, that the images are dealt into at random.
        seed: Of the deal.

    Returns:
        Mean, in [1, K], and standard deviation over parts; both NaN for fewer than two images
        to a part.

    Source:
        Salimans et al. 2016, "Improved techniques for training GANs".

    Example:
        >>> inception_score(np.array([[99.0, 0], [0, 99]] * 4), splits=1)[0].__round__(6)
        2.0
    """
    if len(logits) < 2 * splits:
        return float("nan"), float("nan")
    order = np.random.default_rng(seed).permutation(len(logits))
    parts = np.array_split(log_softmax(logits[order].astype(np.float64), axis=1), splits)
    scores = []
    for part in parts:
        overall = logsumexp(part, axis=0) - np.log(len(part))
        scores.append(np.exp((np.exp(part) * (part - overall)).sum(axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))
