"""At which probability objects are found best, where there are objects to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from histoseg.contracts import Array
from histoseg.metrics.functional.average_precision import average_precision, hits
from histoseg.metrics.functional.overlap import overlap

GRID = tuple(percent / 100 for percent in range(5, 100, 5))
"""0.05, 0.10 .. 0.95, as ImPartial of 2021 tries."""


class ObjectThreshold(Metric):
    """Find the threshold with the highest average precision at an IoU of one half.

    Args:
        thresholds: Those that are tried.
        kwargs: Passed on to ``torchmetrics.Metric``.
    """

    full_state_update = False
    is_differentiable = False
    counts: Tensor

    def __init__(self, thresholds: Sequence[float] = GRID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.thresholds = tuple(thresholds)
        zeros = torch.zeros(3, len(self.thresholds), dtype=torch.int64)
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(
        self, instances: Tensor, probability: Array, find: Callable[[Array, float], Array]
    ) -> None:
        """Add one image.

        Args:
            instances: (H, W), annotated label map.
            probability: (C, H, W).
            find: Probability and threshold to a label map.
        """
        true = instances.cpu().numpy()
        rows = []
        for threshold in self.thresholds:
            table = overlap(true, find(probability, threshold))
            rows.append((hits(table, (0.5,))[0], len(table.true), len(table.pred)))
        self.counts += torch.tensor(np.array(rows).T, device=self.counts.device)

    def compute(self) -> Tensor:
        """The best threshold, the middle of equally good ones; NaN where there were no objects."""
        matched, true, pred = self.counts.cpu().numpy()
        score = average_precision(matched, true, pred)
        if not true.any() or not np.isfinite(score).any():
            return torch.tensor(float("nan"))
        best = np.flatnonzero(score == np.nanmax(score))
        return torch.tensor(self.thresholds[int(best[len(best) // 2])])
