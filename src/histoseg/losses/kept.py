"""Averages over the pixels that an annotation speaks of."""

from __future__ import annotations

from torch import Tensor


def kept_mean(values: Tensor, keep: Tensor | None) -> Tensor:
    """Average over the pixels that count.

    Args:
        values: (B, C, H, W), floating.
        keep: (B, H, W), bool: True where a pixel counts; None for all.

    Returns:
        A scalar; 0 where no pixel counts.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import torch
        >>> kept_mean(torch.tensor([[[[1.0, 5.0]]]]), torch.tensor([[[True, False]]]))
        tensor(1.)
    """
    if keep is None:
        return values.mean()
    weight = keep_weight(keep, values)
    return (values * weight).sum() / (weight.sum() * values.shape[1]).clamp(min=1)


def keep_weight(keep: Tensor, values: Tensor) -> Tensor:
    """Turn (B, H, W) bool into factors (B, 1, H, W) of the type of ``values`` (B, C, H, W).

    Raises:
        ValueError: If the shapes do not fit.
    """
    if keep.shape != (values.shape[0], *values.shape[2:]):
        raise ValueError(
            f"expected keep (B, H, W) to fit {tuple(values.shape)}, got {tuple(keep.shape)}"
        )
    return keep.unsqueeze(1).to(values.dtype)
