"""DeepLIIF's scores of Seg pictures: pixels and cells of each class, and the share of positives."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.aji import aji
from histoseg.metrics.functional.overlap import Overlap, overlap

CLASSES = ("positive", "negative")
PIXEL_SCORES = ("iou", "precision", "recall", "dice", "pixel_accuracy")
SCORES = (*PIXEL_SCORES, "aji", "aji_original")
DIFFERENCE = "percent_positive_difference"
NAMES = (*(f"{s}_{c}" for c in CLASSES for s in SCORES), *SCORES, DIFFERENCE)
COLOURED, GREEN_BELOW, SMALLEST = 100, 100, 50


class ClassMasks(NamedTuple):
    """Pixels of cells of each class, each (H, W), bool."""

    positive: Array
    negative: Array


def drawn_masks(seg: Array) -> ClassMasks:
    """Take a drawn or refined Seg picture (H, W, 3), uint8, as it is: any red, any blue."""
    return ClassMasks(seg[..., 0] > 0, seg[..., 2] > 0)


def cleaned_masks(seg: Array) -> ClassMasks:
    """Clean the Seg picture of a network.

    A pixel is of a cell where red or blue exceed 100 and green is below 100. Cells are 8-connected,
    at least 50 px, and of the class of most of their pixels, positive where it is a draw.

    Args:
        seg: (H, W, 3), uint8 RGB.

    Source:
        Rules of nadeemlab/DeepLIIF, ``deepliif/stat``.
    """
    red, green, blue = cv2.split(seg)
    some = (green < GREEN_BELOW) & (np.maximum(red, blue) > COLOURED)
    count, labels = _components(some)
    vote = 2 * labels[some] + (red < blue)[some]
    votes = np.bincount(vote, minlength=2 * count).reshape(-1, 2)
    large = votes.sum(axis=1) >= SMALLEST
    positive = votes[:, 0] >= votes[:, 1]
    return ClassMasks((large & positive)[labels], (large & ~positive)[labels])


def ihc_scores(true: ClassMasks, pred: ClassMasks) -> dict[str, float]:
    """Score one image.

    Args:
        true: As drawn.
        pred: As predicted, of the same size.

    Returns:
        `NAMES`: `SCORES` in [0, 1] of each class and their mean over classes, and the
        difference of the percentages of positive cells, 0..100. ``aji`` is the published one,
        ``aji_original`` what DeepLIIF's code computes. NaN says nothing: no cells of the class.

    Raises:
        ValueError: If the sizes differ.

    Source:
        Ghahremani et al. 2022; formulas of nadeemlab/DeepLIIF. It first resizes both to 512 px.
    """
    by_class = {name: _of_class(*masks) for name, *masks in zip(CLASSES, true, pred, strict=True)}
    found = {f"{s}_{c}": scores[s] for c, scores in by_class.items() for s in SCORES}
    for score in SCORES:
        values = [scores[score] for scores in by_class.values()]
        known = [value for value in values if not np.isnan(value)]
        found[score] = float(np.mean(known)) if known else float("nan")
    found[DIFFERENCE] = abs(percent_positive(true) - percent_positive(pred))
    return found


def pixel_scores(true: Array, pred: Array) -> dict[str, float]:
    """Compare masks (H, W), bool, pixel by pixel.

    Returns:
        `PIXEL_SCORES` in [0, 1]. As in the original, all are 0 where no pixel is common, and 1
        where there is no pixel in either.

    Example:
        >>> scores = pixel_scores(np.array([True, True, False]), np.array([True, False, False]))
        >>> {name: round(value, 3) for name, value in scores.items()}["dice"]
        0.667
    """
    common, annotated, predicted = (int(m.sum()) for m in (true & pred, true, pred))
    if not common:
        return dict.fromkeys(PIXEL_SCORES, 0.0 if annotated or predicted else 1.0)
    union = annotated + predicted - common
    return {
        "iou": common / union,
        "precision": common / predicted,
        "recall": common / annotated,
        "dice": 2 * common / (annotated + predicted),
        "pixel_accuracy": 1 - (union - common) / true.size,
    }


def aji_original(table: Overlap) -> float:
    """Aggregated Jaccard index as DeepLIIF's code has it.

    Annotated objects in order of ids take the prediction with most common pixels of those that are
    left. Predictions left over are added to the union; annotated objects left over are not, which
    differs from `aji` and makes missed cells free.

    Args:
        table: Overlap of the annotated and the predicted map.

    Returns:
        Score in [0, 1]; NaN where both maps are empty, 0 where nothing is paired.
    """
    if table.both_empty:
        return float("nan")
    order = np.lexsort((table.pred_row, -table.common, table.true_row))
    taken, done = np.zeros(len(table.pred), np.bool_).tolist(), -1
    chosen: list[int] = []
    for pair, true, pred in zip(
        order.tolist(), table.true_row[order].tolist(), table.pred_row[order].tolist(), strict=True
    ):
        if true != done and not taken[pred]:
            taken[pred], done = True, true
            chosen.append(pair)
    left = table.pred.area[~np.array(taken, dtype=np.bool_)].sum()
    return float(table.common[chosen].sum() / max(table.union[chosen].sum() + left, 1))


def percent_positive(masks: ClassMasks) -> float:
    """Positive cells of all, 0..100, where cells are the 8-connected parts; 0 where none is.

    (The original's label function also parts touching pixels of unequal values.)
    """
    positive, negative = (_components(mask)[0] - 1 for mask in masks)
    return 100 * positive / (positive + negative) if positive else 0.0


def _of_class(true: Array, pred: Array) -> dict[str, float]:
    if true.shape != pred.shape:
        raise ValueError(f"truth is {true.shape}, prediction {pred.shape}: expected equal sizes")
    table = overlap(_components(true)[1], _components(pred)[1])
    scores = pixel_scores(true, pred)
    return scores | {"aji": aji(table), "aji_original": aji_original(table)}


def _components(mask: Array) -> tuple[int, Array]:
    """Number of 8-connected parts, background included, and their map, in raster order."""
    count, labels = cv2.connectedComponentsWithAlgorithm(
        mask.astype(np.uint8), 8, cv2.CV_32S, cv2.CCL_WU
    )
    return count, np.asarray(labels)
