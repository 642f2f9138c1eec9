"""Scores of nuclei by class over a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from histoseg.metrics.functional.detection import detection_scores
from histoseg.metrics.functional.image import ClassCounts, count_classes
from histoseg.metrics.functional.overlap import overlap
from histoseg.metrics.functional.pannuke import pannuke_scores
from histoseg.metrics.functional.pq import quality
from histoseg.metrics.image_mean import UNIT, fixed_point, means
from histoseg.metrics.label_maps import label_maps

USUAL_MPP = 0.25
"""Micrometres per pixel of a scan at 40x, which most of the published sets are."""


class ClassScores(Metric):
    """Are nuclei found, outlined and classified well.

    Three ways of averaging, each as its benchmark does it:

    - ``bpq, mpq, pq_<class>``: PQ per image, then the mean over images that have such a nucleus
      (PanNuke, but over images, not over tissues).
    - ``mpq_plus``: counts of all images together, PQ per class, then the mean over classes
      (CoNIC). Predictions of a class where it is absent do cost here.
    - ``f1_detection, type_accuracy, f1_<class>``: counts of all images together, nuclei paired
      by their centres (HoVer-Net).

    Args:
        classes: Names of the classes 1..K; without any, only ``bpq`` and ``f1_detection``.
        radius_um: Largest distance of paired centres, µm; 3 are the paper's 12 pixels at 40x.
        mpp: Micrometres per pixel of the maps; None where unknown, which is taken for 0.25.
        kwargs: Passed on to ``torchmetrics.Metric``.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    total: Tensor
    count: Tensor
    panoptic: Tensor
    detection: Tensor

    def __init__(
        self,
        classes: Sequence[str],
        radius_um: float = 3.0,
        mpp: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.classes = tuple(classes)
        self.radius = radius_um / (mpp or USUAL_MPP)  # pixels
        rows = 1 + len(self.classes)
        shapes = {"total": (1 + rows,), "count": (1 + rows,), "panoptic": (rows, 4)}
        for name, shape in (shapes | {"detection": (5, rows)}).items():
            self.add_state(name, torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self,
        instances: Tensor,
        pred_instances: Tensor,
        semantic: Tensor | None = None,
        pred_semantic: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            instances: Annotated label maps (B, H, W), int64; 0 is background.
            pred_instances: Predicted label maps, as ``instances``.
            semantic: Annotated class of each pixel (B, H, W), int64 in 0..K.
            pred_semantic: Predicted classes, as ``semantic``.

        Raises:
            ValueError: If shapes differ, maps are not integers >= 0, a class exceeds K, or there
                are classes and a semantic map is missing.
        """
        if not self.classes:
            semantic = pred_semantic = torch.zeros_like(instances)
        if semantic is None or pred_semantic is None:
            raise ValueError(f"scores of {list(self.classes)} need semantic and pred_semantic")
        batch = label_maps(
            instances=instances,
            semantic=semantic,
            pred_instances=pred_instances,
            pred_semantic=pred_semantic,
        )
        for true, kind, pred, pred_kind in zip(*batch, strict=True):
            table = overlap(true, pred)
            self._add(count_classes(table, kind, pred_kind, len(self.classes), self.radius))

    def _add(self, counts: ClassCounts) -> None:
        device = self.total.device
        units, number = fixed_point(pannuke_scores(counts.panoptic, self.classes).values())
        panoptic, _ = fixed_point(counts.panoptic.ravel())
        self.total += units.to(device)
        self.count += number.to(device)
        self.panoptic += panoptic.view(self.panoptic.shape).to(device)
        self.detection += torch.from_numpy(counts.detection).to(device)

    def compute(self) -> dict[str, Tensor]:
        """Average over the images seen: scores by name, float32; NaN where nothing was counted."""
        names = pannuke_scores(np.zeros((1 + len(self.classes), 4)), self.classes)
        scores = dict(zip(names, means(self.total, self.count), strict=True))
        pooled = quality(self.panoptic.cpu().numpy() * UNIT).pq[1:]
        counted = pooled[~np.isnan(pooled)]
        scores["mpq_plus"] = float(counted.mean()) if len(counted) else float("nan")
        scores |= detection_scores(self.detection.cpu().numpy(), self.classes)
        if not self.classes:
            scores = {name: scores[name] for name in ("bpq", "f1_detection")}
        return {name: torch.tensor(v, device=self.total.device) for name, v in scores.items()}
