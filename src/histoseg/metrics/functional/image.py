"""All scores of one image: a row of the per-image table, and what the metric classes add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from histoseg.contracts import Array
from histoseg.metrics.functional.aji import aji, aji_plus
from histoseg.metrics.functional.detection import detection_counts, detection_scores
from histoseg.metrics.functional.dice import dice1
from histoseg.metrics.functional.overlap import Overlap, overlap
from histoseg.metrics.functional.pannuke import class_counts, pannuke_scores
from histoseg.metrics.functional.pq import panoptic_quality
from histoseg.ops.instance_pixels import InstancePixels, majority


@dataclass(frozen=True)
class ClassCounts:
    """The counts of one image that the scores by class are made of.

    Attributes:
        panoptic: (1 + K, 4), float64, see `class_counts`.
        detection: (5, 1 + K), int64, see `detection_counts`.
    """

    panoptic: Array
    detection: Array


def image_scores(
    instances: Array,
    pred_instances: Array,
    semantic: Array | None = None,
    pred_semantic: Array | None = None,
    classes: Sequence[str] = (),
    radius: float = 12.0,
) -> dict[str, float]:
    """Score one image.

    Args:
        instances: Annotated label map (H, W), integers; 0 is background.
        pred_instances: Predicted label map, as ``instances``.
        semantic: Annotated class of each pixel (H, W), integers 0..K. Objects take the class
            most of their pixels have.
        pred_semantic: Predicted class of each pixel, as ``semantic``.
        classes: Names of the classes 1..K; none for the scores of instances only.
        radius: Largest distance of paired centres, in pixels.

    Returns:
        ``dice, aji, aji_plus, dq, sq, pq``; with classes also what `pannuke_scores` and
        `detection_scores` give. NaN means "says nothing", not 0: leave it out of a mean.

    Raises:
        ValueError: If shapes disagree, or classes are given without both semantic maps.
    """
    table = overlap(instances, pred_instances)
    scores = instance_scores(table)
    if not classes:
        return scores
    if semantic is None or pred_semantic is None:
        raise ValueError(f"scores of {list(classes)} need semantic and pred_semantic")
    counts = count_classes(table, semantic, pred_semantic, len(classes), radius)
    return (
        scores
        | pannuke_scores(counts.panoptic, classes)
        | detection_scores(counts.detection, classes)
    )


def instance_scores(table: Overlap, threshold: float = 0.5) -> dict[str, float]:
    """Score the instances of one image, whatever their classes.

    Args:
        table: Overlap of the annotated and the predicted map.
        threshold: IoU above which a nucleus is found, for DQ, SQ and PQ.

    Returns:
        ``dice, aji, aji_plus, dq, sq, pq``; all NaN where both maps are empty.
    """
    dq, sq, pq = panoptic_quality(table, threshold)
    return {
        "dice": dice1(table),
        "aji": aji(table),
        "aji_plus": aji_plus(table),
        "dq": float(dq),
        "sq": float(sq),
        "pq": float(pq),
    }


def count_classes(
    table: Overlap, semantic: Array, pred_semantic: Array, classes: int, radius: float = 12.0
) -> ClassCounts:
    """Count, for one image, what the scores by class need.

    Args:
        table: Overlap of the annotated and the predicted map.
        semantic: Annotated class of each pixel (H, W), integers 0..classes.
        pred_semantic: Predicted class of each pixel, as ``semantic``.
        classes: Number of classes without background, K.
        radius: Largest distance of paired centres, in pixels.

    Returns:
        Counts that add up over images.

    Raises:
        ValueError: If shapes disagree, or an object has a class above ``classes``.
    """
    true_class = _kinds(table.true, semantic, classes, "semantic")
    pred_class = _kinds(table.pred, pred_semantic, classes, "pred_semantic")
    return ClassCounts(
        class_counts(table, true_class, pred_class, classes),
        detection_counts(
            (table.true.centroids(table.true.boxes()), true_class),
            (table.pred.centroids(table.pred.boxes()), pred_class),
            classes,
            radius,
        ),
    )


def _kinds(pixels: InstancePixels, semantic: Array, classes: int, name: str) -> Array:
    kinds, _ = majority(pixels.votes(semantic))
    if kinds.max(initial=0) > classes:
        raise ValueError(f"{name} has class {kinds.max()}, but only {classes} classes are named")
    return kinds
