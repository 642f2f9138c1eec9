import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from histoseg.metrics.functional import dice2, image_scores, overlap, panoptic_quality
from metrics.functional.oracle import LABELS

CASES = (
    "dsb_52a6b8ae",
    "dsb_87ea7289",
    "dsb_af6b6173",
    "dsb_e414b54f",
    "nucls_train_1",
    "nucls_train_3",
)


@given(LABELS)
def test_a_perfect_prediction_scores_1(true: np.ndarray) -> None:
    true[0, 0] = 4
    scores = image_scores(true, 3 * true)
    assert scores == pytest.approx(dict.fromkeys(scores, 1.0), abs=2e-6)


def test_empty_maps() -> None:
    empty, full = np.zeros((4, 4), dtype=int), np.eye(4, dtype=int)
    assert all(math.isnan(value) for value in image_scores(empty, empty).values())
    assert set(image_scores(full, empty).values()) == {0.0}
    assert set(image_scores(empty, full).values()) == {0.0}


@pytest.mark.parametrize("name", CASES)
def test_official_scores_of_real_tiles(shared_data: Path, name: str) -> None:
    folder = shared_data / "golden_hovernet_public"
    golden = json.loads((folder / "golden.json").read_text())[name]
    stored = np.load(folder / f"{name}.npz")
    table = overlap(stored["true"], stored["pred"])
    assert (len(table.true), len(table.pred)) == (golden["n_true"], golden["n_pred"])
    scores = image_scores(stored["true"], stored["pred"])
    scores |= {"dice1": scores.pop("dice"), "dice2": dice2(table)}
    low = panoptic_quality(table, 0.3)
    scores |= {f"{key}_iou03": float(value) for key, value in low._asdict().items()}
    for key, value in scores.items():
        assert value == pytest.approx(golden[key], abs=1e-12), key


def test_vector_of_cellseg_models(shared_data: Path) -> None:
    vectors = json.loads((shared_data / "golden_peers" / "metric_vectors.json").read_text())
    case = vectors["cellseg_14x14"]
    true, pred = np.array(case["true"]), np.array(case["pred"])
    scores = image_scores(true, pred)
    scores |= {"dice1": scores.pop("dice"), "dice2": dice2(overlap(true, pred))}
    assert scores == pytest.approx(case["hover_net_official"], abs=1e-12)
    for key in ("pq", "dice2", "aji"):
        assert scores[key] == pytest.approx(case["expected"][key], rel=0.012)
    for pair in ((true, 0 * pred), (0 * true, pred)):
        assert set(image_scores(*pair).values()) == {0.0}


def test_classes_need_both_semantic_maps_and_enough_names() -> None:
    labels = np.eye(3, dtype=int)
    with pytest.raises(ValueError, match="need semantic and pred_semantic"):
        image_scores(labels, labels, labels, classes=["a"])
    with pytest.raises(ValueError, match="pred_semantic has class 2"):
        image_scores(labels, labels, labels, 2 * labels, classes=["a"])


def test_a_row_with_classes() -> None:
    labels = np.kron(np.diag([1, 2, 3]), np.ones((4, 4), dtype=int))
    kinds = np.array([0, 1, 2, 2])[labels]
    wrong = np.array([0, 1, 2, 1])[labels]
    scores = image_scores(labels, labels, kinds, wrong, ["a", "b"])
    assert scores["pq"] == scores["bpq"] == pytest.approx(1, abs=1e-6)
    assert scores["f1_detection"] == 1
    assert scores["type_accuracy"] == pytest.approx(2 / 3)
    assert scores["pq_a"] == pytest.approx(1 / 1.5, abs=1e-6)
    assert scores["mpq"] == pytest.approx((scores["pq_a"] + scores["pq_b"]) / 2)
    assert scores["f1_b"] == pytest.approx(2 / (2 + 2))
