"""What one image contributes to a report: the counts that every score is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.average_precision import hits
from histoseg.metrics.functional.confusion import confusion_counts
from histoseg.metrics.functional.dice import dice2
from histoseg.metrics.functional.image import instance_scores
from histoseg.metrics.functional.overlap import overlap
from histoseg.metrics.functional.pannuke import class_counts
from histoseg.ops.instance_pixels import InstancePixels, majority


@dataclass(frozen=True)
class Tally:
    """The counts of one image.

    Attributes:
        scores: ``dice, dice2, aji, aji_plus, dq, sq, pq`` of its instances; NaN where both maps
            are empty.
        panoptic: (1 + K, 4), float64, see `class_counts`.
        confusion: (2 + K, 2 + K), int64, see `confusion_counts`.
        hits: (10,), int64, see `hits`.
    """

    scores: dict[str, float]
    panoptic: Array
    confusion: Array
    hits: Array


def tally(
    instances: Array,
    pred_instances: Array,
    semantic: Array | None = None,
    pred_semantic: Array | None = None,
    *,
    classes: int | None = None,
    radius: float = 12.0,
) -> Tally:
    """Count one image.

    Args:
        instances: Annotated label map (H, W), integers; 0 is background.
        pred_instances: Predicted label map, as ``instances``.
        semantic: Annotated class of each pixel (H, W), integers 0..K. Objects take the class
            most of their pixels have.
        pred_semantic: Predicted class of each pixel, as ``semantic``. Without both, K is 0.
        classes: K; None for the highest class of this image.
        radius: Largest distance of paired centres, in pixels.

    Returns:
        The counts.

    Raises:
        ValueError: If shapes disagree, maps are not integers >= 0, or a class exceeds K.
    """
    table = overlap(instances, pred_instances)
    if semantic is None or pred_semantic is None:
        kinds, classes = [np.zeros(len(p), np.int64) for p in (table.true, table.pred)], 0
    else:
        kinds = [_kinds(table.true, semantic), _kinds(table.pred, pred_semantic)]
    highest = max(int(k.max(initial=0)) for k in kinds)
    classes = highest if classes is None else classes
    if highest > classes:
        raise ValueError(f"there is a nucleus of class {highest}, but {classes} classes are named")
    true, pred = (
        (pixels.centroids(pixels.boxes()), kind)
        for pixels, kind in zip((table.true, table.pred), kinds, strict=True)
    )
    dice, *others = instance_scores(table).items()
    return Tally(
        dict([dice, ("dice2", dice2(table)), *others]),
        class_counts(table, true[1], pred[1], classes),
        confusion_counts(true, pred, classes, radius),
        hits(table),
    )


def plane_counts(planes: Array, pred_planes: Array) -> Array:
    """Count each class by its own label map, as PanNuke's metric does.

    PanNuke stores a map per class. Where maps overlap, a nucleus hides part of another when they
    are merged into one map, but not here.

    Args:
        planes: Annotated label maps (K, H, W), integers.
        pred_planes: Predicted label maps, as ``planes``.

    Returns:
        (K, 4), float64: rows 1..K of `Tally.panoptic`.
    """
    counts = []
    for true, pred in zip(planes, pred_planes, strict=True):
        table = overlap(true, pred)
        nobody = np.zeros(len(table.true), np.int64), np.zeros(len(table.pred), np.int64)
        counts.append(class_counts(table, *nobody, 0)[0])
    return np.stack(counts)


def without_classes(counts: Tally) -> Tally:
    """The same counts, as if nobody had named a class."""
    confusion = np.zeros((2, 2), dtype=np.int64)
    confusion[1, 0] = counts.confusion[1:, 0].sum()
    confusion[0, 1] = counts.confusion[0, 1:].sum()
    confusion[1, 1] = counts.confusion[1:, 1:].sum()
    return replace(counts, panoptic=counts.panoptic[:1], confusion=confusion)


def _kinds(pixels: InstancePixels, semantic: Array) -> Array:
    kinds: Array = majority(pixels.votes(semantic))[0].astype(np.int64)
    return kinds
