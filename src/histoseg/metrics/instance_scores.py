"""Instance segmentation scores over a data set."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from histoseg.metrics.functional.image import instance_scores
from histoseg.metrics.functional.overlap import overlap
from histoseg.metrics.image_mean import fixed_point, means
from histoseg.metrics.label_maps import label_maps

NAMES = ("dice", "aji", "aji_plus", "dq", "sq", "pq")


class InstanceScores(Metric):
    """Dice, AJI, AJI+, DQ, SQ and PQ of nuclei, whatever their classes.

    Each is computed per image and averaged over images, as the tables of the nuclei papers are.
    An image in which nothing was annotated and nothing predicted says nothing and is left out;
    one in which only one of the two is empty scores 0.

    Args:
        threshold: IoU above which a nucleus is found, for DQ, SQ and PQ.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Example:
        >>> scores = InstanceScores()
        >>> nuclei = torch.tensor([[[1, 1, 0, 2, 2]]])
        >>> scores.update(nuclei, 10 * nuclei)
        >>> round(scores.compute()["pq"].item(), 4)
        1.0
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    total: Tensor
    count: Tensor

    def __init__(self, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold
        zeros = torch.zeros(len(NAMES), dtype=torch.int64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("count", zeros.clone(), dist_reduce_fx="sum")

    def update(self, instances: Tensor, pred_instances: Tensor) -> None:
        """Add a batch.

        Args:
            instances: Annotated label maps (B, H, W), int64; 0 is background.
            pred_instances: Predicted label maps, as ``instances``.

        Raises:
            ValueError: If shapes differ or the maps are not (B, H, W) of integers >= 0.
        """
        batch = label_maps(instances=instances, pred_instances=pred_instances)
        for true, pred in zip(*batch, strict=True):
            scores = instance_scores(overlap(true, pred), self.threshold)
            units, number = fixed_point(scores[name] for name in NAMES)
            self.total += units.to(self.total.device)
            self.count += number.to(self.count.device)

    def compute(self) -> dict[str, Tensor]:
        """Average over the images seen: scores by name, float32; NaN if there were none."""
        values = means(self.total, self.count)
        return {
            name: torch.tensor(value, device=self.total.device)
            for name, value in zip(NAMES, values, strict=True)
        }
