"""Soft Dice loss summed over classes."""

from __future__ import annotations

import torch
from torch import Tensor

from histoseg.losses.cross_entropy import at_least_float32, check_pair
from histoseg.losses.kept import keep_weight


def dice(logits: Tensor, target: Tensor, keep: Tensor | None = None) -> Tensor:
    """Sum over the classes one minus the soft Dice overlap of the whole batch.

    The background is a class like the others. A class that the batch lacks costs up to 1.

    Args:
        logits: (B, C, H, W), any floating type; computed in at least float32.
        target: Class of each pixel (B, H, W), int64 in 0..C-1.
        keep: Pixels that count (B, H, W), bool; None for all.

    Returns:
        The loss, a scalar in [0, C].

    Raises:
        ValueError: If the shapes do not fit.

    Source:
        vqdang/hover_net ``dice_loss``, smoothing 1e-3.

    Example:
        >>> dice(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64))
        tensor(1.3332)
    """
    check_pair(logits, target)
    probability = at_least_float32(logits).softmax(dim=1)
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    truth = (target.unsqueeze(1) == classes).to(probability.dtype)
    if keep is not None:
        weight = keep_weight(keep, probability)
        probability, truth = probability * weight, truth * weight
    pixels = (0, 2, 3)
    overlap = (probability * truth).sum(pixels)
    total = probability.sum(pixels) + truth.sum(pixels)
    return (1 - (2 * overlap + 1e-3) / (total + 1e-3)).sum()
