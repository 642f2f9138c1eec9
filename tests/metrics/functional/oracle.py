"""The scores written down plainly, one mask per object; tests compare the fast ones with these."""

import itertools
import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

LABELS = arrays(np.int32, (6, 6), elements=st.sampled_from([0, 0, 1, 2, 3, 7, 9]))


def masks(labels: np.ndarray) -> list[np.ndarray]:
    return [labels == number for number in np.unique(labels) if number]


def intersections(true: np.ndarray, pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shared and joint pixels of every annotated with every predicted object: two (T, P)."""
    rows, columns = masks(true), masks(pred)
    shape = (len(rows), len(columns))
    common = np.array([(a & b).sum() for a in rows for b in columns]).reshape(shape)
    union = np.array([(a | b).sum() for a in rows for b in columns]).reshape(shape)
    return common, union


def best_sum(weight: np.ndarray) -> float:
    """Largest sum of weights of pairs, each row and column at most once, by trying all."""
    if weight.shape[0] > weight.shape[1]:
        weight = weight.T
    orders = itertools.permutations(range(weight.shape[1]), weight.shape[0])
    return max(sum(weight[row, column] for row, column in enumerate(order)) for order in orders)


def plain_pq(true: np.ndarray, pred: np.ndarray) -> tuple[float, float, float]:
    common, union = intersections(true, pred)
    if not sum(common.shape):
        return math.nan, math.nan, math.nan
    iou = common / np.maximum(union, 1)
    hits = [value for value in iou.ravel() if value > 0.5]
    dq = len(hits) / (
        len(hits) + (common.shape[0] - len(hits)) / 2 + (common.shape[1] - len(hits)) / 2
    )
    sq = sum(hits) / (len(hits) + 1e-6)
    return dq, sq, dq * sq


def plain_aji(true: np.ndarray, pred: np.ndarray) -> float:
    rows, columns = masks(true), masks(pred)
    if not rows + columns:
        return math.nan
    shared, joint, used = 0, 0, set()
    for a in rows:
        jaccard = [(a & b).sum() / ((a | b).sum() + 1e-6) for b in columns]
        if not columns or max(jaccard) == 0:
            joint += a.sum()
            continue
        best = jaccard.index(max(jaccard))
        used.add(best)
        shared += (a & columns[best]).sum()
        joint += (a | columns[best]).sum()
    joint += sum(b.sum() for index, b in enumerate(columns) if index not in used)
    return shared / joint


def plain_dice2(true: np.ndarray, pred: np.ndarray) -> float:
    shared = total = 0
    for a, b in itertools.product(masks(true), masks(pred)):
        if (a & b).any():
            shared += 2 * (a & b).sum()
            total += a.sum() + b.sum()
    if total == 0:
        return 0.0 if true.any() or pred.any() else math.nan
    return shared / total
