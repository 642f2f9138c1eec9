"""Panoptic quality by class, as the PanNuke benchmark reports it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.matching import matched
from histoseg.metrics.functional.overlap import Overlap
from histoseg.metrics.functional.pq import TRUE, quality


def class_counts(table: Overlap, true_class: Array, pred_class: Array, classes: int) -> Array:
    """Count what panoptic quality needs, for all nuclei and for each class alone.

    Args:
        table: Overlap of the annotated and the predicted map.
        true_class: Class of each annotated object (T,), 0..classes; 0 is without class.
        pred_class: The same of the predicted objects (P,).
        classes: Number of classes without background, K.

    Returns:
        Counts (1 + K, 4), float64, columns as in `quality`; row 0 is all nuclei whatever their
        class, row k class k. Counts of several images add up.
    """
    found = matched(table)
    iou = table.iou[found]
    true_of_pair = true_class[table.true_row[found]]
    agree = true_of_pair == pred_class[table.pred_row[found]]
    counts = np.stack(
        [
            np.bincount(true_class, minlength=classes + 1),
            np.bincount(pred_class, minlength=classes + 1),
            np.bincount(true_of_pair[agree], minlength=classes + 1),
            np.bincount(true_of_pair[agree], iou[agree], minlength=classes + 1),
        ],
        axis=1,
        dtype=np.float64,  # bincount of no pair at all gives integers
    )
    counts[0] = len(true_class), len(pred_class), len(iou), iou.sum()
    return counts


def pannuke_scores(counts: Array, classes: Sequence[str]) -> dict[str, float]:
    """Turn the counts of one image into its scores.

    Args:
        counts: What `class_counts` gave for one image.
        classes: Names of the classes 1..K.

    Returns:
        ``bpq``, of all nuclei as one class; ``pq_<class>``; ``mpq``, their mean over the classes
        of this image. NaN where the *annotation* has no nucleus of the kind: a predicted nucleus
        of a class that is absent from the image costs nothing, as the benchmark has it.

    Source:
        Gamper et al. 2020 (TissueImageAnalytics/PanNuke-metrics). Its tables average images
        within each tissue and then tissues.
    """
    pq = np.where(counts[:, TRUE] > 0, quality(counts).pq, np.nan)
    present = pq[1:][~np.isnan(pq[1:])]
    scores = {"bpq": float(pq[0]), "mpq": float(present.mean()) if len(present) else float("nan")}
    by_class = zip(classes, pq[1:], strict=True)
    return scores | {f"pq_{name}": float(value) for name, value in by_class}
