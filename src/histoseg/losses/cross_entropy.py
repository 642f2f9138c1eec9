"""Cross-entropy as HoVer-Net's authors compute it."""

from __future__ import annotations

import torch
from torch import Tensor

from histoseg.losses.kept import kept_mean


def cross_entropy(logits: Tensor, target: Tensor, keep: Tensor | None = None) -> Tensor:
    """Average over the pixels the negative log-probability of the true class.

    Probabilities are kept in [1e-7, 1 - 1e-7]: a pixel beyond these gives no gradient.

    Args:
        logits: (B, C, H, W), any floating type; computed in at least float32.
        target: Class of each pixel (B, H, W), int64 in 0..C-1.
        keep: Pixels that count (B, H, W), bool; None for all.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If the shapes do not fit.

    Source:
        vqdang/hover_net ``xentropy_loss``.

    Example:
        >>> import torch
        >>> cross_entropy(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64))
        tensor(0.6931)
    """
    check_pair(logits, target)
    probability = at_least_float32(logits).softmax(dim=1)
    picked = probability.gather(1, target.unsqueeze(1))
    return -kept_mean(picked.clamp(1e-7, 1 - 1e-7).log(), keep)


def check_pair(logits: Tensor, target: Tensor) -> None:
    """Refuse class scores (B, C, H, W) and classes (B, H, W) of different pixels.

    Raises:
        ValueError: If the shapes do not fit.
    """
    if logits.ndim != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            "expected logits (B, C, H, W) and a target (B, H, W) of the same pixels, got "
            f"{tuple(logits.shape)} and {tuple(target.shape)}"
        )


def at_least_float32(logits: Tensor) -> Tensor:
    """Widen half precision, whose sums over a batch of pixels overflow or lose their tail."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
