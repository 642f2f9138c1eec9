import math

import numpy as np
import pytest

from histoseg.metrics.functional import (
    class_counts,
    image_scores,
    overlap,
    pannuke_scores,
    panoptic_quality,
)

CLASSES = ("a", "b", "c")


def scores(true: np.ndarray, kinds: list[int], pred: np.ndarray, pred_kinds: list[int]) -> dict:
    counts = class_counts(overlap(true, pred), np.array(kinds), np.array(pred_kinds), len(CLASSES))
    return pannuke_scores(counts, CLASSES)


def test_a_toy_image_by_hand() -> None:
    true = np.array([[1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3]])
    pred = np.array([[5, 5, 5, 0, 6, 6, 0, 8, 9, 9, 9]])
    found = scores(true, [1, 1, 2], pred, [1, 2, 3, 2])
    assert found["bpq"] == pytest.approx((1 + 2 / 3 + 1) / (3 + 1 / 2), abs=1e-5)
    assert found["pq_a"] == pytest.approx(1 / (1 + 1 / 2), abs=1e-5)
    assert found["pq_b"] == pytest.approx(1 / (1 + 1 / 2), abs=1e-5)
    assert math.isnan(found["pq_c"])
    assert found["mpq"] == pytest.approx(2 / 3, abs=1e-5)


def test_nothing_annotated_says_nothing_even_if_something_is_predicted() -> None:
    empty, full = np.zeros((1, 4), dtype=int), np.array([[1, 1, 0, 0]])
    for pred, kinds in ((empty, []), (full, [2])):
        found = scores(empty, np.zeros(0, dtype=int), pred, np.array(kinds, dtype=int))
        assert all(math.isnan(value) for value in found.values())
    found = scores(full, [2], empty, np.zeros(0, dtype=int))
    assert found["bpq"] == found["pq_b"] == found["mpq"] == 0


def test_each_class_is_scored_as_if_it_were_alone() -> None:
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 30, (2, 1, 8, 8)).repeat(3, axis=2).repeat(3, axis=3)[:, 0]
    pred = np.where(rng.random(true.shape) < 0.9, true, pred)
    true_kind, pred_kind = (
        np.arange(30) % 3 + 1,
        np.where(np.arange(30) % 7, np.arange(30) % 3 + 1, 2),
    )
    found = scores(true, true_kind[np.unique(true)[1:]], pred, pred_kind[np.unique(pred[pred > 0])])
    assert (true == 0).any()
    for k, name in enumerate(CLASSES, start=1):
        alone = overlap(
            np.where(true_kind[true] == k, true, 0), np.where(pred_kind[pred] == k, pred, 0)
        )
        assert found[f"pq_{name}"] == pytest.approx(float(panoptic_quality(alone).pq), abs=1e-12)
    assert found["bpq"] == pytest.approx(float(panoptic_quality(overlap(true, pred)).pq), abs=1e-12)


def test_nuclei_found_but_all_of_another_class_count_for_bpq() -> None:
    true, pred = np.zeros((6, 6), np.int32), np.zeros((6, 6), np.int32)
    true[1:5, 1:5], pred[1:5, 1:4] = 1, 1
    scores = image_scores(true, pred, true, 2 * pred, ("a", "b"))
    assert scores["bpq"] == pytest.approx(0.75)
    assert scores["pq_a"] == 0
