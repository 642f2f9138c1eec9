"""How two label maps overlap: the one table every instance score is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histoseg.contracts import Array
from histoseg.ops.instance_pixels import InstancePixels, instance_pixels


@dataclass(frozen=True)
class Overlap:
    """Two sets of objects and the pairs of them that share pixels.

    Only such pairs are stored, so the size grows with the objects, not with their product.

    Attributes:
        true: The annotated objects, T rows.
        pred: The predicted objects, P rows.
        true_row: (L,), int64. Row of the annotated object of each pair, ascending.
        pred_row: (L,), int64. Row of the predicted one, ascending among equal ``true_row``.
        common: (L,), int64 > 0. Pixels the two share.
    """

    true: InstancePixels
    pred: InstancePixels
    true_row: Array
    pred_row: Array
    common: Array

    @property
    def union(self) -> Array:
        """Pixels in either object of each pair: (L,), int64."""
        return self.true.area[self.true_row] + self.pred.area[self.pred_row] - self.common

    @property
    def iou(self) -> Array:
        """Intersection over union of each pair: (L,), float64 in (0, 1]."""
        return self.common / self.union

    @property
    def both_empty(self) -> bool:
        """Whether nothing was annotated and nothing predicted: a score then says nothing."""
        return len(self.true) == len(self.pred) == 0


def overlap(instances: Array, pred_instances: Array) -> Overlap:
    """Count the pixels that annotated and predicted objects share.

    Args:
        instances: Annotated label map (H, W), integers. 0 is background; any other ids.
        pred_instances: Predicted label map, as ``instances``.

    Returns:
        The objects of both maps and their overlapping pairs.

    Raises:
        ValueError: If a map is not two-dimensional with integers >= 0, or the shapes differ.

    Example:
        >>> table = overlap(np.array([[5, 5, 5, 0]]), np.array([[0, 1, 1, 9]]))
        >>> table.common, table.iou.round(3)
        (array([2]), array([0.667]))
    """
    if instances.shape != pred_instances.shape:
        raise ValueError(
            f"instances are {instances.shape}, pred_instances {pred_instances.shape}; "
            "crop both to the same region"
        )
    true, pred = instance_pixels(instances), instance_pixels(pred_instances)
    partner = pred.row_map.ravel()[true.pixel].astype(np.int64)
    shared = partner > 0
    pairs = true.row[shared] * len(pred) + partner[shared] - 1
    pair, common = np.unique(pairs, return_counts=True)
    true_row, pred_row = np.divmod(pair, max(len(pred), 1))
    return Overlap(true, pred, true_row, pred_row, common)
