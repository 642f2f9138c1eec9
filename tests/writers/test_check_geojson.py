import copy
import json
from pathlib import Path
from typing import Any

import pytest

from histoseg.writers import check_geojson

GOOD: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "3f1c0f5e-6c3e-4b54-9c57-0a2c9d0b6a11",
            "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [0, 2], [2, 2], [0, 0]]]},
            "properties": {
                "objectType": "detection",
                "classification": {"name": "dead", "color": [1, 2, 3]},
                "measurements": {"Area": 2},
                "metadata": {"model": "x"},
            },
        }
    ],
}


def problems_of(tmp_path: Path, content: object) -> list[str]:
    path = tmp_path / "a.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return check_geojson(path)


def ring(*points: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(p) for p in points]]}


def test_a_good_file_has_no_problem(tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD) == []
    assert problems_of(tmp_path, {"type": "FeatureCollection", "features": []}) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a FeatureCollection"),
        ('{"type": "Feature"}', "not a FeatureCollection"),
        ('{"type": "FeatureCollection"}', "no list 'features'"),
        ('{"type": "FeatureCollection", "features": [3]}', "feature 0: its type is not"),
    ],
)
def test_files_of_another_form(tmp_path: Path, content: str, message: str) -> None:
    (problem,) = problems_of(tmp_path, content)
    assert message in problem


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("id", "object_12", "is not a UUID"),
        ("id", None, "is not a UUID"),
        ("objectType", "detection", "'objectType' stands beside 'properties'"),
        ("geometry", None, "no geometry"),
        ("geometry", {"type": "Polygon"}, "cannot be read"),
        ("geometry", ring(), "0 positions"),
        ("geometry", ring((0, 0), (1, 1), (0, 0)), "3 positions"),
        ("geometry", ring((0, 0), (0, 2), (2, 2), (2, 0)), "not closed"),
        ("geometry", ring((0, 0), (2, 2), (2, 0), (0, 2), (0, 0)), "invalid: Self-intersection"),
        (
            "geometry",
            ring((0, 0), (0, 9), (5, 9), (5, 0), (2.504, 0), (2.5, 9), (2.496, 0), (0, 0)),
            "invalid",
        ),
        ("geometry", ring((0, 0), (0, 0.004), (9, 0.004), (9, 0), (0, 0)), "after rounding"),
        ("geometry", ring((0, 0), ("x", 1), (1, 1), (0, 0)), "not a number"),
        ("properties", None, "becomes an annotation"),
        ("properties.objectType", "nucleus", "expected one of annotation"),
        ("properties.objectType", None, "expected one of annotation"),
        ("properties.classification", {"name": "dead"}, "has color None"),
        ("properties.classification", {"name": "dead", "color": [1, 2]}, "has color"),
        ("properties.classification", {"name": "dead", "color": [1, 2, 256]}, "has color"),
        ("properties.classification", {"name": "dead", "color": [0.5, 0, 0]}, "has color"),
        ("properties.classification", {"color": [1, 2, 3]}, "no 'name'"),
        ("properties.classification", 3, "expected a name or a mapping"),
        ("properties.measurements", [{"name": "a", "value": 1}], "not a mapping of names to num"),
        ("properties.measurements", {"a": None}, "not a mapping of names to numbers"),
        ("properties.measurements", {"a": "1"}, "not a mapping of names to numbers"),
        ("properties.metadata", {"a": 1}, "not a mapping of names to strings"),
    ],
)
def test_each_rule_is_checked(tmp_path: Path, where: str, value: object, message: str) -> None:
    content = copy.deepcopy(GOOD)
    *path, last = where.split(".")
    target = content["features"][0]
    for key in path:
        target = target[key]
    target[last] = value
    problems = problems_of(tmp_path, content)
    assert any(p.startswith("feature 0: ") and message in p for p in problems), problems


@pytest.mark.parametrize(
    "classification", ["dead", {"names": ["tumour", "dead"], "color": [1, 2, 3, 4]}]
)
def test_other_forms_of_a_class(tmp_path: Path, classification: object) -> None:
    content = copy.deepcopy(GOOD)
    content["features"][0]["properties"]["classification"] = classification
    assert problems_of(tmp_path, content) == []


def test_points_and_several_polygons_are_fine(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    content["features"][0]["geometry"] = {"type": "Point", "coordinates": [1.5, 2]}
    assert problems_of(tmp_path, content) == []
    square = [[[5, 5], [5, 6], [6, 6], [6, 5], [5, 5]]]
    content["features"][0]["geometry"] = {
        "type": "MultiPolygon",
        "coordinates": [GOOD["features"][0]["geometry"]["coordinates"], square],
    }
    assert problems_of(tmp_path, content) == []


def test_an_id_that_is_there_twice(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    content["features"] *= 2
    assert any("feature 1: id" in p and "twice" in p for p in problems_of(tmp_path, content))
