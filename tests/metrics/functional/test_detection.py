import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from histoseg.metrics.functional import detection_counts, detection_scores, pair_centroids

NOBODY = (np.zeros((0, 2)), np.zeros(0, dtype=int))


def test_vector_of_tiatoolbox(shared_data: Path) -> None:
    vectors = json.loads((shared_data / "golden_peers" / "metric_vectors.json").read_text())
    case = vectors["tiatoolbox_pair_coordinates"]
    true, pred = np.array(case["a"], dtype=float), np.array(case["b"])
    rows, columns = pair_centroids(true, pred, 0.15)
    assert len(rows) == case["expected"]["radius_0.15"]["paired"]
    assert np.setdiff1d(range(5), rows).tolist() == [4]
    assert np.setdiff1d(range(5), columns).tolist() == [4]
    # Stored with it is an F1 of 1 at radius 0.2, but the last pair is 0.28 apart: the source
    # asserts ``f1 - 1 < 1e-6``, which 0.8 passes too.
    assert len(pair_centroids(true, pred, 0.2)[0]) == 4
    assert len(pair_centroids(true, pred, 0.3)[0]) == 5


def test_a_pair_at_the_radius_counts() -> None:
    true, pred = np.array([[0.0, 0.0]]), np.array([[0.0, 12.0]])
    assert len(pair_centroids(true, pred, 12)[0]) == 1
    assert len(pair_centroids(true, pred, 11.99)[0]) == 0


def test_counts_by_hand() -> None:
    true = (np.array([[0.0, 0], [50, 0], [100, 0], [150, 0]]), np.array([1, 2, 1, 2]))
    pred = (np.array([[51.0, 0], [1, 0], [0, 900], [149, 3]]), np.array([1, 1, 2, 2]))
    counts = detection_counts(true, pred, classes=2)
    assert counts.tolist() == [[0, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]
    scores = detection_scores(counts, ["a", "b"])
    assert scores == pytest.approx(
        {
            "f1_detection": 6 / 8,
            "type_accuracy": 2 / 3,
            "f1_a": 2 / (2 + 2 * 1 + 0 + 0 + 1),
            "f1_b": 2 / (2 + 0 + 2 * 1 + 1 + 0),
        }
    )


def test_without_nuclei_nothing_is_counted() -> None:
    assert not detection_counts(NOBODY, NOBODY, 3).any()
    scores = detection_scores(detection_counts(NOBODY, NOBODY, 1), ["a"])
    assert all(np.isnan(value) for value in scores.values())
    one = (np.array([[3.0, 4.0]]), np.array([1]))
    for pair in ((one, NOBODY), (NOBODY, one)):
        scores = detection_scores(detection_counts(*pair, 1), ["a"])
        assert scores["f1_detection"] == scores["f1_a"] == 0
        assert np.isnan(scores["type_accuracy"])


def test_official_printout_over_six_tiles(shared_data: Path) -> None:
    folder = shared_data / "golden_hovernet_public"
    counts = np.zeros((5, 5), dtype=np.int64)
    for path in sorted((folder / "type_true").glob("*.mat")):
        true, pred = (loadmat(folder / side / path.name) for side in ("type_true", "type_pred"))
        counts += detection_counts(
            (true["inst_centroid"], true["inst_type"][:, 0]),
            (pred["inst_centroid"], pred["inst_type"][:, 0]),
            classes=4,
        )
    golden = json.loads((folder / "golden.json").read_text())["__type_stat_all_images"]
    printed = [float(number) for number in golden["printed"].strip("[] ").split()]
    scores = detection_scores(counts, ["1", "2", "3", "4"])
    assert [round(value, 5) for value in scores.values()] == printed
