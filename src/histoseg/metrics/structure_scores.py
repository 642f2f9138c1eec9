"""Are the nuclei of a picture still there after it was translated."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from histoseg.contracts import Array
from histoseg.metrics.class_scores import USUAL_MPP
from histoseg.metrics.functional.detection import UNPAIRED_PRED, UNPAIRED_TRUE, detection_counts
from histoseg.metrics.functional.ratio import ratio
from histoseg.metrics.label_maps import label_maps
from histoseg.ops.instance_pixels import instance_pixels


class StructureScores(Metric):
    """Pair the nuclei of pictures with those of their translations, by their centres.

    Nuclei of both come from the same network, or those before from an annotation. What a
    translation loses or invents no look at its colours shows.

    Args:
        radius_um: Largest distance of paired centres, µm.
        mpp: Micrometres per pixel of the maps; None where unknown, which is taken for 0.25.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Attributes:
        latest: Counts of each picture of the last batch, (n, 5).

    Example:
        >>> kept = StructureScores()
        >>> nuclei = torch.tensor([[[1, 1, 0, 2]]])
        >>> kept.update(nuclei, nuclei)
        >>> kept.compute()["structure_f1"].item()
        1.0
    """

    full_state_update = False
    is_differentiable = False
    counts: Tensor

    def __init__(self, radius_um: float = 3.0, mpp: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.radius = radius_um / (mpp or USUAL_MPP)  # pixels
        self.latest = np.zeros((0, 5), np.int64)
        self.add_state("counts", torch.zeros(5, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, instances: Tensor, translated_instances: Tensor) -> None:
        """Add a batch.

        Args:
            instances: Nuclei of the pictures (B, H, W), int64; 0 is background.
            translated_instances: Nuclei of their translations, as ``instances``.

        Raises:
            ValueError: If shapes differ, or the maps are not (B, H, W) of integers >= 0.
        """
        maps = label_maps(instances=instances, translated_instances=translated_instances)
        found = [
            detection_counts(_nuclei(before), _nuclei(after), 0, self.radius)[:, 0]
            for before, after in zip(*maps, strict=True)
        ]
        self.latest = np.stack(found)
        self.counts += torch.from_numpy(self.latest.sum(axis=0)).to(self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """``structure_f1``; ``nuclei_lost``, of those before; ``nuclei_invented``, of those after.

        Counts of all pictures together, float32; NaN where there are no nuclei.
        """
        scores, device = _scores(self.counts.cpu().numpy()), self.counts.device
        return {name: torch.tensor(value, device=device) for name, value in scores.items()}

    def row(self, i: int) -> dict[str, float]:
        """Scores of picture i of the last batch, as `compute` names them."""
        return _scores(self.latest[i])


def _scores(counts: Array) -> dict[str, float]:
    lost, invented = counts[UNPAIRED_TRUE], counts[UNPAIRED_PRED]
    pairs = counts.sum() - lost - invented
    return {
        "structure_f1": float(ratio(2 * pairs, 2 * pairs + lost + invented)),
        "nuclei_lost": float(ratio(lost, pairs + lost)),
        "nuclei_invented": float(ratio(invented, pairs + invented)),
    }


def _nuclei(labels: Array) -> tuple[Array, Array]:
    pixels = instance_pixels(labels)
    centres = pixels.centroids(pixels.boxes())
    return centres, np.zeros(len(centres), np.int64)
