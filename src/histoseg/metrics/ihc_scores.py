"""DeepLIIF's segmentation scores over a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from histoseg.contracts import Array
from histoseg.metrics.functional.ihc_cells import (
    NAMES,
    cleaned_masks,
    drawn_masks,
    ihc_scores,
)
from histoseg.metrics.image_mean import fixed_point, means

SEG = "seg"


class IHCScores(Metric):
    """IoU, precision, recall, Dice, accuracy and AJI of positive and negative cells.

    Each is computed per image and averaged over images. Of the truth every red or blue pixel
    counts, so it has to be drawn in pure colours; predictions are cleaned (`cleaned_masks`).

    Args:
        kwargs: Passed on to ``torchmetrics.Metric``.
    """

    full_state_update = False
    is_differentiable = False
    total: Tensor
    count: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        zeros = torch.zeros(len(NAMES), dtype=torch.int64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("count", zeros.clone(), dist_reduce_fx="sum")

    def update(self, stains: Mapping[str, Tensor], pred_stains: Mapping[str, Tensor]) -> None:
        """Add a batch.

        Args:
            stains: Of which ``seg`` is used: pictures as drawn (B, 3, H, W), float in [0, 1].
            pred_stains: As predicted, likewise.

        Raises:
            ValueError: If there is no ``seg``, or shapes are others.
        """
        batches = [_pictures(s, name) for s, name in ((stains, "stains"), (pred_stains, "pred"))]
        if batches[0].shape != batches[1].shape:
            raise ValueError(f"seg is {batches[0].shape}, predicted {batches[1].shape}")
        for true, pred in zip(*batches, strict=True):
            scores = ihc_scores(drawn_masks(true), cleaned_masks(pred))
            units, number = fixed_point(scores[name] for name in NAMES)
            self.total += units.to(self.total.device)
            self.count += number.to(self.count.device)

    def compute(self) -> dict[str, Tensor]:
        """Average over the images seen: scores by name, float32; NaN if there were none."""
        values = means(self.total, self.count)
        return {
            f"seg_{name}": torch.tensor(value, device=self.total.device)
            for name, value in zip(NAMES, values, strict=True)
        }


def _pictures(stains: Mapping[str, Tensor], name: str) -> Array:
    """(B, H, W, 3), uint8: what a file would hold."""
    if SEG not in stains:
        raise ValueError(f"{name} has no 'seg', only {sorted(stains)}: these scores are of it")
    batch = stains[SEG]
    if batch.ndim != 4 or batch.shape[1] != 3:
        raise ValueError(f"seg of {name} is {tuple(batch.shape)}; expected (B, 3, H, W)")
    pixels = (batch.detach().float() * 255).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy())
