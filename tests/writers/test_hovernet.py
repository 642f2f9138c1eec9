import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from scipy.io import loadmat

from histoseg.writers import write_hovernet_json, write_hovernet_mat
from writers.drawn import hard_labels, prediction_of


def test_the_json_has_every_nucleus_with_five_keys(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels(), mpp=0.25)
    content = json.loads(write_hovernet_json(tmp_path, prediction).read_text())
    found = prediction.instances
    assert content["mag"] == 40
    assert list(content["nuc"]) == [str(key) for key in found.ids]
    for i, nucleus in enumerate(content["nuc"].values()):
        assert set(nucleus) == {"bbox", "centroid", "contour", "type_prob", "type"}
        (top, left), (bottom, right) = nucleus["bbox"]
        assert [left, top, right, bottom] == found.box_xyxy[i].tolist()
        assert (found.labels[top:bottom, left:right] == found.ids[i]).any(axis=1).all()
        assert nucleus["centroid"] == found.centroid_xy[i].tolist()
        assert nucleus["type"] == found.semantic[i]
        assert nucleus["type_prob"] == pytest.approx(float(found.score[i]), abs=1e-6)


def test_readers_can_draw_and_build_polygons_of_every_contour(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels())
    content = json.loads(write_hovernet_json(tmp_path, prediction).read_text())
    for key, nucleus in content["nuc"].items():
        shapely.Polygon(nucleus["contour"])
        canvas = np.zeros(prediction.instances.labels.shape, np.uint8)
        cv2.drawContours(canvas, [np.array(nucleus["contour"])], -1, 1, cv2.FILLED)
        np.testing.assert_array_equal(canvas > 0, prediction.instances.labels == int(key))


def test_without_classes_and_pixel_size_the_json_says_null(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels(), typed=False, mpp=None)
    content = json.loads(write_hovernet_json(tmp_path, prediction).read_text())
    assert content["mag"] is None
    assert all(n["type"] is n["type_prob"] is None for n in content["nuc"].values())


def test_the_mat_file(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels())
    found = prediction.instances
    content = loadmat(write_hovernet_mat(tmp_path, prediction))
    assert {k for k in content if k[0] != "_"} == {
        "inst_map",
        "inst_uid",
        "inst_type",
        "inst_centroid",
    }
    assert content["inst_map"].dtype == np.int32
    np.testing.assert_array_equal(content["inst_map"], found.labels)
    np.testing.assert_array_equal(content["inst_uid"], found.ids[:, None])
    np.testing.assert_array_equal(content["inst_type"], found.semantic[:, None])
    np.testing.assert_array_equal(content["inst_centroid"], found.centroid_xy)


def test_the_mat_file_of_nothing(tmp_path: Path) -> None:
    content = loadmat(write_hovernet_mat(tmp_path, prediction_of(np.zeros((5, 7), int), False)))
    assert "inst_type" not in content
    assert content["inst_map"].shape == (5, 7)
    assert content["inst_uid"].size == content["inst_centroid"].size == 0


def test_the_raw_map_has_the_channels_of_the_original(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = {"tp": 4, "hv": 2, "np": 2}
    maps = {k: rng.random((c, 40, 60), dtype=np.float32) for k, c in shapes.items()}
    content = loadmat(write_hovernet_mat(tmp_path, prediction_of(hard_labels(), maps=maps)))
    expected = [maps["tp"].argmax(0), maps["np"][1], maps["hv"][0], maps["hv"][1]]
    np.testing.assert_array_equal(content["raw_map"], np.stack(expected, -1).astype(np.float32))
    np.testing.assert_array_equal(content["raw"], content["raw_map"])


def test_maps_of_other_models_keep_their_order(tmp_path: Path) -> None:
    maps = {"b": np.ones((1, 40, 60), np.float32), "a": np.zeros((2, 40, 60), np.float32)}
    content = loadmat(write_hovernet_mat(tmp_path, prediction_of(hard_labels(), maps=maps)))
    assert content["raw_map"][0, 0].tolist() == [1, 0, 0]
