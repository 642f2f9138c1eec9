import json
import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from scipy import ndimage

from histoseg.contracts import Prediction
from histoseg.writers import check_geojson, write_geojson
from histoseg.writers.batches import AT_ONCE
from histoseg.writers.geojson import NAMESPACE
from writers.drawn import CLASSES, COLOURS, hard_labels, prediction_of


def features_of(tmp_path: Path, prediction: Prediction) -> list[dict[str, Any]]:
    path = write_geojson(tmp_path, prediction)
    assert check_geojson(path) == []
    content = json.loads(path.read_text("utf-8"))
    assert content["type"] == "FeatureCollection"
    return list(content["features"])


def test_every_polygon_is_its_pixels(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels())
    features = features_of(tmp_path, prediction)
    assert len(features) == len(prediction.instances)
    for key, feature in zip(prediction.instances.ids, features, strict=True):
        assert set(feature) == {"type", "id", "geometry", "properties"}
        (ring,) = feature["geometry"]["coordinates"]
        polygon = shapely.Polygon(ring)
        assert ring[0] == ring[-1]
        assert len(ring) >= 5
        assert polygon.is_valid
        y, x = np.nonzero(prediction.instances.labels == key)
        squares = shapely.union_all(shapely.box(x, y, x + 1, y + 1))
        if key == 20:  # pixels that meet at corners only: one of them is kept
            assert polygon.area == 1
            assert squares.contains(polygon)
        else:
            assert polygon.area == len(x)
            assert polygon.equals(squares)


def test_random_blobs_with_holes_and_islands_are_valid(tmp_path: Path) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(1).random((150, 150)), 1)
    labels, count = ndimage.label(noise > 0.5, structure=np.ones((3, 3)))
    features = features_of(tmp_path, prediction_of(labels))
    assert len(features) == count > 50


def test_classes_and_colours(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels())
    for kind, feature in zip(
        prediction.instances.semantic, features_of(tmp_path, prediction), strict=True
    ):
        properties = feature["properties"]
        assert properties["objectType"] == "detection"
        if kind:
            expected = {"name": CLASSES[kind - 1], "color": list(COLOURS[kind - 1])}
            assert properties["classification"] == expected
        else:
            assert "classification" not in properties
    for feature in features_of(tmp_path, prediction_of(hard_labels(), typed=False)):
        assert "classification" not in feature["properties"]


def test_measurements_have_units(tmp_path: Path) -> None:
    labels = np.zeros((20, 20), int)
    labels[2:6, 3:13] = 4
    (micro,) = features_of(tmp_path, prediction_of(labels, mpp=0.5))
    (pixels,) = features_of(tmp_path, prediction_of(labels, mpp=None))
    assert micro["properties"]["measurements"] == {
        "Probability": 0.5,
        "Area µm^2": 10.0,
        "Perimeter µm": 13.571,
        "Eccentricity": 0.9165,
        "Solidity": 1.0,
    }
    assert pixels["properties"]["measurements"]["Area px^2"] == 40
    assert pixels["properties"]["measurements"]["Perimeter px"] == 27.142


def test_ids_are_uuids_of_name_and_id(tmp_path: Path) -> None:
    def ids(**changes: object) -> list[str]:
        found = [f["id"] for f in features_of(tmp_path, prediction_of(hard_labels(), **changes))]
        assert len({uuid.UUID(one) for one in found}) == len(found)
        return found

    expected = [str(uuid.uuid5(NAMESPACE, f"tile_1/{key}")) for key in np.unique(hard_labels())[1:]]
    assert ids() == expected
    assert not set(ids()) & set(ids(name="tile_2"))


def test_more_nuclei_than_are_held_at_once(tmp_path: Path) -> None:
    labels = np.zeros((140, 140), int)
    labels[::2, ::2] = np.arange(1, 4901).reshape(70, 70)
    assert AT_ONCE < 4900 == len(features_of(tmp_path, prediction_of(labels)))


def test_one_feature_a_line(tmp_path: Path) -> None:
    prediction = prediction_of(hard_labels())
    lines = write_geojson(tmp_path, prediction).read_text("utf-8").splitlines()
    assert len(lines) == len(prediction.instances) + 2
    assert all(re.fullmatch(r'\{"type":"Feature",.*\},?', line) for line in lines[1:-1])
    assert (
        json.loads(write_geojson(tmp_path, prediction_of(np.zeros((3, 3), int))).read_text())[
            "features"
        ]
        == []
    )
