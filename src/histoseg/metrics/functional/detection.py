"""Are the nuclei found, and are they of the right class: pairing by centroid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from histoseg.contracts import Array
from histoseg.metrics.functional.ratio import ratio

Gate = Literal["after", "before"]
AGREED, PRED_ONLY, TRUE_ONLY, UNPAIRED_PRED, UNPAIRED_TRUE = range(5)
"""Rows of the counts: pairs of equal class; of differing classes, by the predicted and by the
annotated one; predictions and annotations without partner."""


def pair_centroids(
    centroid_xy: Array, pred_centroid_xy: Array, radius: float = 12.0, gate: Gate = "after"
) -> tuple[Array, Array]:
    """Pair annotated and predicted nuclei by the distance of their centres.

    All nuclei are paired one to one with the smallest sum of distances; then the pairs farther
    apart than the radius are dropped. So published numbers are made, and so they can be compared.
    With ``gate="before"`` pairs farther apart are none from the start: as many others as can be
    are found, and of these the nearest.

    Args:
        centroid_xy: Annotated centres (T, 2), pixels.
        pred_centroid_xy: Predicted centres (P, 2), pixels.
        radius: Largest distance of a pair, in pixels, inclusive. 12 at 0.25 µm/px, 6 at 0.5.
        gate: When the radius is looked at: ``before`` or ``after`` the assignment.

    Returns:
        Rows of the annotated and of the predicted nuclei of the pairs: two (M,), int64.

    Example:
        >>> pair_centroids(np.array([[0.0, 0], [50, 0]]), np.array([[90.0, 0], [3, 4]]))
        (array([0]), array([1]))
    """
    distance = cdist(centroid_xy.reshape(-1, 2), pred_centroid_xy.reshape(-1, 2))
    cost = distance
    if gate == "before":  # one pair more is worth any distances within the radius
        cost = np.where(distance <= radius, distance, (radius + 1) * (min(distance.shape) + 1))
    true_row, pred_row = linear_sum_assignment(cost)
    near = distance[true_row, pred_row] <= radius
    return true_row[near], pred_row[near]


def detection_counts(
    true: tuple[Array, Array],
    pred: tuple[Array, Array],
    classes: int,
    radius: float = 12.0,
    gate: Gate = "after",
) -> Array:
    """Count pairs and leftovers by class; the counts of several images add up.

    Args:
        true: Centres (T, 2) and classes (T,) in 0..classes of the annotated nuclei.
        pred: The same of the predicted ones.
        classes: Number of classes without background, K.
        radius: As in `pair_centroids`.
        gate: Likewise.

    Returns:
        Counts (5, 1 + K), int64; for the rows see `AGREED` and its neighbours, column k is
        class k, column 0 nuclei without a class.
    """
    true_class, pred_class = true[1], pred[1]
    true_row, pred_row = pair_centroids(true[0], pred[0], radius, gate)
    agree = true_class[true_row] == pred_class[pred_row]
    groups = (
        true_class[true_row[agree]],
        pred_class[pred_row[~agree]],
        true_class[true_row[~agree]],
        np.delete(pred_class, pred_row),
        np.delete(true_class, true_row),
    )
    return np.stack([np.bincount(group, minlength=classes + 1) for group in groups])


def detection_scores(counts: Array, classes: Sequence[str]) -> dict[str, Any]:
    """Turn counts into the F scores of detection and of each class.

    A class's own mistakes among the pairs count twice, nuclei of the class that were not found
    or not there once.

    Args:
        counts: What `detection_counts` gave, one image or the sum of many; (..., 5, 1 + K) for
            many sums at once.
        classes: Names of the classes 1..K.

    Returns:
        ``f1_detection``; ``type_accuracy``, the share of the pairs with equal class; and
        ``f1_<class>``: floats, or arrays (...). NaN where nothing was counted.

    Source:
        Graham et al. 2019, section 4.2, with the weights 2, 2, 1, 1 (``compute_stats.py``).
    """
    parts = detection_parts(counts, classes)
    return {name: _ratio(part, whole) for name, (part, whole) in parts.items()}


def detection_parts(counts: Array, classes: Sequence[str]) -> dict[str, tuple[Array, Array]]:
    """Give part and whole of each of the `detection_scores`; both add up over images.

    Args:
        counts: (..., 5, 1 + K), as there.
        classes: Names of the classes 1..K.

    Returns:
        By name of the score, two (...), int64.
    """
    total = counts.sum(axis=-1)
    pairs = total[..., AGREED] + total[..., TRUE_ONLY]
    alone = total[..., UNPAIRED_PRED] + total[..., UNPAIRED_TRUE]
    parts = {
        "f1_detection": (2 * pairs, 2 * pairs + alone),
        "type_accuracy": (total[..., AGREED], pairs),
    }
    for k, name in enumerate(classes, start=1):
        of_class = counts[..., k]
        agreed = 2 * of_class[..., AGREED]
        mistakes = 2 * (of_class[..., PRED_ONLY] + of_class[..., TRUE_ONLY])
        mistakes = mistakes + of_class[..., UNPAIRED_PRED] + of_class[..., UNPAIRED_TRUE]
        parts[f"f1_{name}"] = (agreed, agreed + mistakes)
    return parts


def _ratio(part: Array, whole: Array) -> Any:
    found = ratio(part, whole)
    return found if found.ndim else float(found)
