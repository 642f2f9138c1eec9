"""Which class was taken for which: nuclei paired by their centres, and those without partner."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.detection import pair_centroids

UNMATCHED, NO_CLASS = 0, 1
"""First rows and columns of a confusion table; class k has number ``k + 1``."""


def confusion_counts(
    true: tuple[Array, Array], pred: tuple[Array, Array], classes: int, radius: float = 12.0
) -> Array:
    """Count pairs by annotated and predicted class; the counts of several images add up.

    The pairs are those of the F scores (`pair_centroids`), so the table explains them: see
    `detection_of`.

    Args:
        true: Centres (T, 2) and classes (T,) in 0..classes of the annotated nuclei.
        pred: The same of the predicted ones.
        classes: Number of classes without background, K.
        radius: As in `pair_centroids`.

    Returns:
        Counts (2 + K, 2 + K), int64: rows as annotated, columns as predicted; see `UNMATCHED`.

    Example:
        >>> here, there = np.array([[0.0, 0]]), np.array([[90.0, 0]])
        >>> confusion_counts((here, np.array([1])), (there, np.array([1])), 1)
        array([[0, 0, 1],
               [0, 0, 0],
               [1, 0, 0]])
    """
    true_class, pred_class = np.asarray(true[1]), np.asarray(pred[1])
    true_row, pred_row = pair_centroids(true[0], pred[0], radius)
    counts = np.zeros((2 + classes, 2 + classes), dtype=np.int64)
    np.add.at(counts, (true_class[true_row] + 1, pred_class[pred_row] + 1), 1)
    np.add.at(counts[:, UNMATCHED], np.delete(true_class, true_row) + 1, 1)
    np.add.at(counts[UNMATCHED], np.delete(pred_class, pred_row) + 1, 1)
    return counts


def detection_of(confusion: Array) -> Array:
    """Give the counts that the F scores are made of.

    Args:
        confusion: (..., 2 + K, 2 + K), as `confusion_counts` gives it.

    Returns:
        (..., 5, 1 + K), as `detection_counts` gives them.
    """
    paired = confusion[..., 1:, 1:]
    agreed = np.diagonal(paired, axis1=-2, axis2=-1)
    groups = (
        agreed,
        paired.sum(axis=-2) - agreed,
        paired.sum(axis=-1) - agreed,
        confusion[..., UNMATCHED, 1:],
        confusion[..., 1:, UNMATCHED],
    )
    return np.stack(groups, axis=-2)
