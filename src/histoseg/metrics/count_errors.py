"""How far counts of cells are off, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from histoseg.metrics.image_mean import UNIT, fixed_point


class CountErrors(Metric):
    """Root mean square errors, over images, of numbers of cells and the share of the first class.

    Args:
        classes: Names of the classes 1..K.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Source:
        What nadeemlab/DeepLIIF validates with: total, positive, negative, percentage of positive.

    Example:
        >>> errors = CountErrors(["positive", "negative"])
        >>> true, found = torch.tensor([[[1, 0, 2]]]), torch.tensor([[[1, 0, 0]]])
        >>> errors.update(true, found, true, found)
        >>> list(errors.compute())
        ['rmse_total', 'rmse_positive', 'rmse_negative', 'rmse_percent_positive']
        >>> [value.item() for value in errors.compute().values()]
        [1.0, 0.0, 1.0, 50.0]
    """

    full_state_update = False
    is_differentiable = False
    squares: Tensor
    shares: Tensor
    images: Tensor

    def __init__(self, classes: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = tuple(classes)
        # whole numbers: sums are the same in any order, over any number of ranks
        zeros = torch.zeros(1 + len(self.classes), dtype=torch.int64)
        self.add_state("squares", zeros, dist_reduce_fx="sum")
        self.add_state("shares", zeros[:1].clone(), dist_reduce_fx="sum")
        self.add_state("images", zeros[0].clone(), dist_reduce_fx="sum")

    @override
    def update(
        self, instances: Tensor, pred_instances: Tensor, semantic: Tensor, pred_semantic: Tensor
    ) -> None:
        """Add a batch.

        Args:
            instances: Annotated ids (B, H, W), integers; 0 is background.
            pred_instances: Predicted ones, likewise.
            semantic: Annotated class of each pixel, the same all over an object: (B, H, W), 0..K.
            pred_semantic: Predicted one, likewise.
        """
        true = map(self._counts, instances, semantic)
        found = map(self._counts, pred_instances, pred_semantic)
        for one, other in zip(true, found, strict=True):
            self.squares += (one - other).square().to(self.squares.device)
            units, _ = fixed_point([(_share(one) - _share(other)) ** 2])
            self.shares += units.to(self.shares.device)
            self.images += 1

    @override
    def compute(self) -> dict[str, Tensor]:
        """``rmse_<what>``, float32, the share in percent; NaN before any image."""
        images = float(self.images) or float("nan")
        numbers = (self.squares.cpu().double() / images).sqrt().float().to(self.squares.device)
        found = dict(zip(("total", *self.classes), numbers, strict=True))
        if self.classes:
            share = (self.shares[0].cpu().double() * UNIT / images).sqrt()
            found[f"percent_{self.classes[0]}"] = (100 * share).float().to(self.shares.device)
        return {f"rmse_{name}": value for name, value in found.items()}

    def _counts(self, instances: Tensor, semantic: Tensor) -> Tensor:
        """Of one image: all cells, and those of each class: (1 + K,), int64."""
        number = 1 + len(self.classes)
        inside = instances > 0
        cells = torch.unique(instances[inside] * number + semantic.to(instances.device)[inside])
        of_class = torch.bincount(cells % number, minlength=number)
        of_class[0] = len(cells)
        return of_class


def _share(counts: Tensor) -> float:
    """Of the first class among all."""
    total = int(counts[0])
    return int(counts[1]) / total if total and len(counts) > 1 else 0.0
