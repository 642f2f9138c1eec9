"""Cross-entropy in which a class may weigh more than another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from histoseg.losses.cross_entropy import at_least_float32, check_pair
from histoseg.losses.kept import keep_weight


def weighted_cross_entropy(
    logits: Tensor,
    target: Tensor,
    keep: Tensor | None = None,
    *,
    penalty: float | Sequence[float] = 1.0,
    balanced: bool = False,
) -> Tensor:
    """Average ``-log p`` of the true class over the pixels, each weighed by its true class.

    The mean is weighted: the sum of weights divides it. So a penalty changes what is traded for
    what, and not the size of the loss.

    Args:
        logits: (B, C, H, W), any floating type; computed in at least float32.
        target: Class of each pixel (B, H, W), int64 in 0..C-1.
        keep: Pixels that count (B, H, W), bool; None for all.
        penalty: Weight of pixels of classes 1..C-1, for all or one each; background has 1. Above 1,
            what is missed of a cell costs more than background taken for one.
        balanced: Whether a class also weighs the inverse of its share in the batch.

    Returns:
        The loss, a scalar; 0 where no pixel counts.

    Raises:
        ValueError: If the shapes do not fit, a penalty is not above 0, or there is not one a class.

    Source:
        torch ``CrossEntropyLoss(weight=[1, penalty])``, as the origin of the pixel-shuffle U-Net
        uses it.

    Example:
        >>> logits = torch.tensor([[[[2.0, 0.0]], [[0.0, 0.0]]]])
        >>> target = torch.tensor([[[0, 1]]])
        >>> weighted_cross_entropy(logits, target, penalty=3)  # (0.1269 + 3 * 0.6931) / 4
        tensor(0.5516)
    """
    check_pair(logits, target)
    count = logits.shape[1]
    cells = [penalty] * (count - 1) if isinstance(penalty, int | float) else list(penalty)
    if len(cells) != count - 1 or min(cells, default=1) <= 0:
        raise ValueError(
            f"penalty is {penalty}; expected a number above 0, or one for each of the {count - 1} "
            "classes besides background"
        )
    log_p = at_least_float32(logits).log_softmax(1).gather(1, target.unsqueeze(1))
    weights = log_p.new_tensor([1.0, *cells])
    if balanced:
        shown = target if keep is None else target[keep]
        shares = torch.bincount(shown.flatten(), minlength=count).to(weights)
        weights = weights / shares.clamp(min=1)
    each = weights[target].unsqueeze(1)
    if keep is not None:
        each = each * keep_weight(keep, each)
    total = each.sum()
    return -(each * log_p).sum() / torch.where(total > 0, total, torch.ones_like(total))
