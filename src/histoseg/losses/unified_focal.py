"""Focal and focal Tversky loss under one set of parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from histoseg.losses.cross_entropy import at_least_float32, check_pair
from histoseg.losses.focal import FLOOR
from histoseg.losses.kept import kept_mean
from histoseg.losses.tversky import tversky_index


def unified_focal(
    logits: Tensor,
    target: Tensor,
    keep: Tensor | None = None,
    *,
    weight: float = 0.5,
    delta: float = 0.6,
    gamma: float = 0.5,
) -> Tensor:
    """Mix a focal loss that plays down background with a Tversky loss that stresses the rare.

    The asymmetric form: class 0, the background, is played down in the first part by
    ``(1 - p)^gamma``; every other class is stressed in the second by the power ``1 - gamma``.

    Args:
        logits: (B, C, H, W), any floating type; computed in at least float32.
        target: Class of each pixel (B, H, W), int64 in 0..C-1.
        keep: Pixels that count (B, H, W), bool; None for all.
        weight: Share of the Tversky part, in [0, 1]; the paper's lambda.
        delta: Weight of the classes against the background, and of misses against false alarms;
            in [0, 1].
        gamma: In [0, 1): 0 is weighted cross-entropy and Tversky loss.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If the shapes do not fit, or a parameter is out of its range.

    Source:
        Yeung et al. 2022, https://doi.org/10.1016/j.compmedimag.2021.102026; the defaults are those
        of mlyg/unified-focal-loss. Differences: the Tversky index is of the batch, not of each
        image, in which most classes of nuclei are absent, and smoothed as our Dice loss is.

    Example:
        >>> unified_focal(torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.int64))
        tensor(0.6110)
    """
    check_pair(logits, target)
    if not (0 <= weight <= 1 and 0 <= delta <= 1 and 0 <= gamma < 1):
        raise ValueError(
            f"weight {weight} and delta {delta} must be in [0, 1], gamma {gamma} in [0, 1)"
        )
    log_p = at_least_float32(logits).log_softmax(1).gather(1, target.unsqueeze(1))
    played_down = (1 - delta) * (-torch.expm1(log_p)).clamp(min=FLOOR) ** gamma
    factor = torch.where(target.unsqueeze(1) == 0, played_down, delta)
    focal_part = kept_mean(-log_p * factor, keep)
    error = 1 - tversky_index(logits, target, keep, alpha=1 - delta, beta=delta)
    stressed = error[1:].clamp(min=FLOOR) ** (1 - gamma)
    tversky_part = torch.cat([error[:1], stressed]).mean()
    return weight * tversky_part + (1 - weight) * focal_part
