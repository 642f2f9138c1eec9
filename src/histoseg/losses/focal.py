"""Cross-entropy that looks away from pixels which are right already."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from histoseg.losses.cross_entropy import at_least_float32, check_pair
from histoseg.losses.kept import kept_mean

FLOOR = 1e-7
"""Smallest base of a power with a fractional exponent, whose slope at 0 is infinite."""


def focal(
    logits: Tensor,
    target: Tensor,
    keep: Tensor | None = None,
    *,
    gamma: float = 2.0,
    alpha: Sequence[float] | None = None,
) -> Tensor:
    """Average over the pixels ``alpha (1 - p)^gamma (-log p)``, p being that of the true class.

    With gamma 0 it is cross-entropy, here without bounds on p: a pixel that is entirely wrong
    goes on giving a gradient.

    Args:
        logits: (B, C, H, W), any floating type; computed in at least float32.
        target: Class of each pixel (B, H, W), int64 in 0..C-1.
        keep: Pixels that count (B, H, W), bool; None for all.
        gamma: How much easy pixels are played down; 0 or more.
        alpha: Factor of each of the C classes, background first; None for 1.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If the shapes do not fit, gamma is negative, or alpha has not C values.

    Source:
        Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 4 and 5; gamma 2 is theirs.

    Example:
        >>> focal(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64))
        tensor(0.1733)
    """
    check_pair(logits, target)
    if gamma < 0:
        raise ValueError(f"gamma is {gamma}; expected 0 or more (0 is cross-entropy)")
    log_p = at_least_float32(logits).log_softmax(1).gather(1, target.unsqueeze(1))
    loss = -log_p * (-torch.expm1(log_p)).clamp(min=FLOOR) ** gamma
    if alpha is not None:
        if len(alpha) != logits.shape[1]:
            raise ValueError(
                f"alpha has {len(alpha)} values for {logits.shape[1]} classes with background"
            )
        loss = loss * loss.new_tensor(list(alpha))[target].unsqueeze(1)
    return kept_mean(loss, keep)
