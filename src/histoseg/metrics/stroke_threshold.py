"""At which probability a class begins, by what strokes say."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

BINS = 200


class StrokeThreshold(Metric):
    """Find the threshold of each class that parts its strokes from all others of the task best.

    The measure is balanced accuracy: the mean of the shares of both kinds of pixels that are on
    the right side. Of several that are equally good the middle of the widest stretch is taken, as
    strokes rarely lie where it matters, at borders.

    Args:
        classes: Number of classes without the background.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Example:
        >>> tuned = StrokeThreshold(1)
        >>> strokes = torch.tensor([[[True, False], [False, True]]])
        >>> tuned.update(torch.tensor([[[0.9, 0.5]]]), strokes)
        >>> round(tuned.compute().item(), 2)
        0.7
    """

    full_state_update = False
    is_differentiable = False
    counts: Tensor

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        zeros = torch.zeros(classes, 2, BINS, dtype=torch.int64)
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(self, probability: Tensor, scribbles: Tensor) -> None:
        """Add a batch.

        Args:
            probability: (B, C, N), of each class, in [0, 1].
            scribbles: (B, C + 1, N), bool: strokes of each class and of the background.
        """
        drawn = scribbles.any(1)
        bins = (probability * BINS).long().clamp(0, BINS - 1)
        for k in range(probability.shape[1]):  # twice a class: counts, not pixels
            own = scribbles[:, k]
            for kind, where in enumerate((drawn & ~own, own)):
                self.counts[k, kind] += torch.bincount(bins[:, k][where], minlength=BINS)

    def compute(self) -> Tensor:
        """Thresholds (C,), float32; NaN for a class without strokes on both sides."""
        below = self.counts.cumsum(-1).float()
        total = below[..., -1:]
        others, own = (below / total).unbind(1)
        good = (1 + others - own) / 2  # what is at or below the upper edge of each bin is out
        return torch.stack([_middle_of_best(row) for row in good])


def _middle_of_best(good: Tensor) -> Tensor:
    """The middle of the longest stretch of the best values, as an upper edge of bins."""
    if not bool(good.isfinite().all()):
        return good.new_tensor(float("nan"))
    best = (good >= good.max() - 1e-6).int()
    edges = torch.diff(best, prepend=best.new_zeros(1), append=best.new_zeros(1))
    starts, stops = (edges == 1).nonzero()[:, 0], (edges == -1).nonzero()[:, 0]
    longest = int((stops - starts).argmax())
    return ((starts[longest] + stops[longest] + 1) / 2 / BINS).float()
