"""Scores against annotated points: are the nuclei found, and are they of the right class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from histoseg.contracts import Array
from histoseg.metrics.functional.detection import (
    AGREED,
    TRUE_ONLY,
    UNPAIRED_PRED,
    UNPAIRED_TRUE,
    Gate,
    detection_counts,
    detection_scores,
)
from histoseg.metrics.label_maps import label_maps
from histoseg.ops.instance_pixels import instance_pixels, majority


class PointScores(Metric):
    """Pair predicted nuclei with annotated points, counts of all images together.

    The centre of a predicted nucleus and a point are paired as `pair_centroids` does, within a
    radius in micrometres, so that images of different resolution are judged alike.

    Args:
        classes: Names of the classes 1..K of the points.
        pred_classes: Names of the classes of the model.
        class_of: Name of a model's class -> name of the points' class that it counts as. A class
            of the same name needs no entry; one that leads nowhere is a nucleus without a class,
            which is a mistake wherever a point has one. Where nothing leads anywhere, and where
            ``classes`` are empty, only detection is scored.
        radius_um: Largest distance of a pair, in micrometres: 3 is 12 px at 0.25 µm/px.
        gate: When it is looked at, ``after`` the pairing as published numbers do, or ``before``.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Raises:
        ValueError: If there is no such gate, or ``class_of`` leads to a class that the points do
            not have.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    counts: Tensor

    def __init__(
        self,
        classes: Sequence[str],
        pred_classes: Sequence[str] = (),
        class_of: Mapping[str, str] | None = None,
        radius_um: float = 3.0,
        gate: Gate = "after",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if gate not in get_args(Gate):
            raise ValueError(f"points.gate={gate}: expected one of {', '.join(get_args(Gate))}")
        self.radius_um, self.gate = radius_um, gate
        self.table = _table(tuple(classes), tuple(pred_classes), dict(class_of or {}))
        self.classes = tuple(classes) if self.table.any() else ()
        self.add_state(
            "counts",
            torch.zeros((5, 1 + len(self.classes)), dtype=torch.int64),
            dist_reduce_fx="sum",
        )

    def update(
        self,
        points: Tensor,
        mpp: Tensor,
        pred_instances: Tensor,
        pred_semantic: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            points: (B, N, 3): x, y in pixels, and class.
            mpp: (B,), micrometres per pixel of each image.
            pred_instances: Predicted label maps (B, H, W), int64.
            pred_semantic: Predicted classes (B, H, W), int64; needed to score classes.

        Raises:
            ValueError: If a resolution is unknown, or a class is outside 0..K.
        """
        kinds = torch.zeros_like(pred_instances) if pred_semantic is None else pred_semantic
        maps = label_maps(pred_instances=pred_instances, pred_semantic=kinds)
        truth = points.detach().cpu().numpy()
        for xyk, scale, labels, semantic in zip(truth, mpp.tolist(), *maps, strict=True):
            found = self.count(xyk, scale, labels, semantic)
            self.counts += torch.from_numpy(found).to(self.counts.device)

    def count(self, points: Array, mpp: float, labels: Array, semantic: Array) -> Array:
        """Count the pairs of one image, as `detection_counts` does: (5, 1 + K), int64."""
        if not (math.isfinite(mpp) and mpp > 0):
            raise ValueError(f"the resolution of an image is {mpp}; set data.mpp (µm per pixel)")
        kinds = points[:, 2].astype(np.int64) if self.classes else np.zeros(len(points), np.int64)
        if len(kinds) and not (kinds.min() >= 0 and kinds.max() <= len(self.classes)):
            raise ValueError(f"points have class {kinds.max()}, but {self.classes} are named")
        pixels = instance_pixels(labels)
        pred_kinds = self.table[majority(pixels.votes(semantic))[0]]
        centres = pixels.centroids(pixels.boxes())
        return detection_counts(
            (points[:, :2].astype(np.float64), kinds),
            (centres, pred_kinds if self.classes else np.zeros_like(pred_kinds)),
            len(self.classes),
            self.radius_um / mpp,
            self.gate,
        )

    def compute(self) -> dict[str, Tensor]:
        """Scores of all images seen, by name, float32; NaN where nothing was counted."""
        scores = self.scores(self.counts.cpu().numpy())
        return {name: torch.tensor(v, device=self.counts.device) for name, v in scores.items()}

    def scores(self, counts: Array) -> dict[str, float]:
        """Turn counts into ``f1_detection``, ``precision``, ``recall`` and the classes' scores."""
        total = counts.sum(axis=1)
        pairs = total[AGREED] + total[TRUE_ONLY]
        found = detection_scores(counts, self.classes)
        accuracy = {} if not self.classes else {"type_accuracy": found["type_accuracy"]}
        return {
            "f1_detection": found["f1_detection"],
            "precision": _share(pairs, pairs + total[UNPAIRED_PRED]),
            "recall": _share(pairs, pairs + total[UNPAIRED_TRUE]),
            **accuracy,
            **{f"f1_{name}": found[f"f1_{name}"] for name in self.classes},
        }


def _table(classes: tuple[str, ...], pred: tuple[str, ...], class_of: dict[str, str]) -> Array:
    """Class of the model -> class of the points, by number, (1 + classes of the model,)."""
    unknown = set(class_of.values()) - set(classes)
    if unknown:
        raise ValueError(
            f"points.class_of leads to {sorted(unknown)}; the points have {list(classes)}"
        )
    names = [class_of.get(name, name) for name in pred]
    return np.array([0, *(1 + classes.index(n) if n in classes else 0 for n in names)])


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")
