"""Dice with false alarms and misses weighed apart."""

from __future__ import annotations

import torch
from torch import Tensor

from histoseg.losses.cross_entropy import at_least_float32, check_pair
from histoseg.losses.kept import keep_weight

SMOOTH = 1e-3
"""As in `histoseg.losses.dice`."""


def tversky(
    logits: Tensor,
    target: Tensor,
    keep: Tensor | None = None,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    background: bool = False,
) -> Tensor:
    """Sum over the classes one minus the soft Tversky index of the whole batch.

    With alpha = beta = 0.5 and the background it is `histoseg.losses.dice`.

    Args:
        logits: (B, C, H, W), any floating type; computed in at least float32.
        target: Class of each pixel (B, H, W), int64 in 0..C-1.
        keep: Pixels that count (B, H, W), bool; None for all.
        alpha: Weight of false positives; 0 or more.
        beta: Weight of false negatives; 0 or more.
        background: Whether class 0 has a term too. Then the weights cancel between two classes:
            what one misses is a false alarm of the other.

    Returns:
        The loss, a scalar in [0, C].

    Raises:
        ValueError: If the shapes do not fit, or a weight is negative.

    Source:
        Salehi et al. 2017, https://arxiv.org/abs/1706.05721, eq. 3; 0.3 and 0.7 did best there.

    Example:
        >>> tversky(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64))
        tensor(0.9998)
    """
    if min(alpha, beta) < 0:
        raise ValueError(f"alpha {alpha} and beta {beta} must not be negative")
    error = 1 - tversky_index(logits, target, keep, alpha=alpha, beta=beta)
    return error.sum() if background else error[1:].sum()


def tversky_index(
    logits: Tensor, target: Tensor, keep: Tensor | None, *, alpha: float, beta: float
) -> Tensor:
    """Overlap of each class over the whole batch, in [0, 1].

    Args:
        logits: As in `tversky`.
        target: As in `tversky`.
        keep: As in `tversky`.
        alpha: As in `tversky`.
        beta: As in `tversky`.

    Returns:
        (C,). A class that is neither there nor predicted has 1.
    """
    check_pair(logits, target)
    probability = at_least_float32(logits).softmax(1)
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    truth = (target.unsqueeze(1) == classes).to(probability.dtype)
    weight = 1 if keep is None else keep_weight(keep, probability)
    pixels = (0, 2, 3)
    hits = (weight * probability * truth).sum(pixels)
    false_alarms = (weight * probability * (1 - truth)).sum(pixels)
    misses = (weight * (1 - probability) * truth).sum(pixels)
    whole = 2 * hits + 2 * alpha * false_alarms + 2 * beta * misses
    return (2 * hits + SMOOTH) / (whole + SMOOTH)
