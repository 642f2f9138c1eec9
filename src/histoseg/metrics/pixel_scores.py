"""Scores of pixels: how many are of the class that was said."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric

IGNORED = -1
"""In place of a class: a pixel that is not scored."""


class PixelScores(Metric):
    """Accuracies, IoU, Dice, precision, recall and boundary F1 of classes of pixels.

    Whole numbers are counted over all pixels of all images, and all ranks, and divided once. So an
    image without cells spoils nothing, and nothing depends on batches. A score of a class that was
    neither annotated nor predicted is NaN and left out of means.

    - ``acc``: share of the pixels that have their true class; ``acc_background`` of those of class
      0; ``acc_cell`` of all others.
    - ``iou``, ``pixel_dice``, ``pixel_precision``, ``pixel_recall``, ``boundary_f1``: means over
      classes 1..K, and with several classes those of each, as ``iou_<name>``.

    The boundary of a class are its pixels with a neighbour (of 8) of another. A boundary pixel
    counts as found if one of the other map lies at most ``tolerance`` rows and columns away.

    Args:
        classes: Names of classes 1..K; empty for cells without classes, which are class 1.
        tolerance: Pixels.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Example:
        >>> scores = PixelScores()
        >>> scores.update(torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 1, 1, 1]]]))
        >>> {k: round(float(scores.compute()[k]), 3) for k in ("acc", "acc_background", "iou")}
        {'acc': 0.75, 'acc_background': 0.5, 'iou': 0.667}
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    confusion: Tensor
    boundary: Tensor

    def __init__(self, classes: Any = (), tolerance: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if tolerance < 0:
            raise ValueError(f"tolerance is {tolerance} px; expected 0 or more")
        self.classes, self.tolerance = tuple(classes), tolerance
        count = 1 + max(1, len(self.classes))
        confusion = torch.zeros(count, count, dtype=torch.int64)
        boundary = torch.zeros(count - 1, 4, dtype=torch.int64)  # hits, pixels: predicted, true
        self.add_state("confusion", confusion, dist_reduce_fx="sum")
        self.add_state("boundary", boundary, dist_reduce_fx="sum")

    def update(self, pixels: Tensor, pred_pixels: Tensor) -> None:
        """Add a batch.

        Args:
            pixels: True class of each pixel (B, H, W), int64 in 0..K; -1 is not scored.
            pred_pixels: Predicted classes, as ``pixels``, without -1.

        Raises:
            ValueError: If shapes differ, or a class is not one of those.
        """
        if pixels.shape != pred_pixels.shape or pixels.ndim != 3:
            raise ValueError(
                f"pixels are {tuple(pixels.shape)}, pred_pixels {tuple(pred_pixels.shape)}; "
                "expected (B, H, W) of the same region"
            )
        count = len(self.confusion)
        scored = pixels != IGNORED
        pairs = pixels[scored] * count + pred_pixels[scored]
        found = torch.bincount(pairs, minlength=count * count)
        outside = len(found) > count * count or bool((pixels < IGNORED).any())
        if outside or bool((pixels >= count).any()) or bool((pred_pixels >= count).any()):
            raise ValueError(f"there is a class above {count - 1}, or below 0: {self.classes}")
        self.confusion += found.view(count, count).to(self.confusion.device)
        for k in range(1, count):
            true, pred = _edge(pixels == k), _edge((pred_pixels == k) & scored)
            hits = _near(true, self.tolerance) & pred, _near(pred, self.tolerance) & true
            row = [hits[0].sum(), pred.sum(), hits[1].sum(), true.sum()]
            self.boundary[k - 1] += torch.stack(row).to(self.boundary.device)

    def compute(self) -> dict[str, Tensor]:
        """Divide: scores by name, float32; NaN where nothing was seen."""
        counts = self.confusion.double()
        hits, true, pred = counts.diagonal(), counts.sum(1), counts.sum(0)
        scores = {
            "acc": hits.sum() / counts.sum(),
            "acc_background": hits[0] / true[0],
            "acc_cell": hits[1:].sum() / true[1:].sum(),
        }
        hits, true, pred = hits[1:], true[1:], pred[1:]
        edges = self.boundary.double()
        precision, recall = edges[:, 0] / edges[:, 1], edges[:, 2] / edges[:, 3]
        none = edges[:, 1] + edges[:, 3] == 0
        sums = precision.nan_to_num() + recall.nan_to_num()
        f1 = 2 * precision.nan_to_num() * recall.nan_to_num() / sums.clamp(min=1e-12)
        each = {
            "iou": hits / (true + pred - hits),
            "pixel_dice": 2 * hits / (true + pred),
            "pixel_precision": hits / pred,
            "pixel_recall": hits / true,
            "boundary_f1": f1.masked_fill(none, float("nan")),
        }
        scores |= {name: values.nanmean() for name, values in each.items()}
        if len(self.classes) > 1:
            for name, values in each.items():
                scores |= {f"{name}_{c}": v for c, v in zip(self.classes, values, strict=True)}
        return {name: value.float() for name, value in scores.items()}


def _edge(inside: Tensor) -> Tensor:
    """Pixels (B, H, W) with a neighbour outside; beyond the image nothing is known."""
    return inside & _near(~inside, 1)


def _near(where: Tensor, distance: int) -> Tensor:
    if not distance:
        return where
    side = 2 * distance + 1
    grown = functional.max_pool2d(where.float().unsqueeze(1), side, 1, distance)
    return grown.squeeze(1) > 0
