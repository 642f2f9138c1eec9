import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoseg.annotations import Points, read_drawing, read_points
from histoseg.annotations.centres import Centres, ring_centres
from histoseg.contracts import Prediction
from histoseg.errors import UnreadableFileError
from histoseg.writers import (
    write_coco,
    write_geojson,
    write_hovernet_json,
    write_sedeen,
    write_table,
)
from writers.drawn import CLASSES, COLOURS, hard_labels, prediction_of


def by_place(points: Points) -> list[tuple[float, float, str | None]]:
    names = [None, *points.labels]
    rows = zip(points.xy.round(2).tolist(), points.kinds.tolist(), strict=True)
    return sorted(((x, y, names[k]) for (x, y), k in rows), key=str)


def connected() -> Prediction:
    """Without the nucleus whose pixels meet at corners: an outline holds one of its pixels."""
    labels = hard_labels()
    labels[labels == 20] = 0
    return prediction_of(labels)


def written(tmp_path: Path) -> dict[str, Path]:
    prediction = connected()
    packed = tmp_path / "packed"
    return {
        "geojson": write_geojson(tmp_path, prediction),
        "packed": write_geojson(packed, prediction, packed=True),
        "json": write_hovernet_json(tmp_path, prediction),
        "table": write_table(tmp_path, prediction),
        "sedeen": write_sedeen(tmp_path, prediction),
        "coco": write_coco(tmp_path, prediction),
    }


def test_every_file_of_ours_gives_the_same_nuclei(tmp_path: Path) -> None:
    prediction = connected()
    found = prediction.instances
    names = [None, *CLASSES]
    expected = sorted(
        (
            (round(x, 2), round(y, 2), names[kind])
            for (x, y), kind in zip(
                found.centroid_xy.tolist(), found.semantic.tolist(), strict=True
            )
        ),
        key=str,
    )
    for kind, path in written(tmp_path).items():
        points = read_points(path)
        rows = by_place(points)
        if kind == "json":
            rows = [(x, y, None if k is None else CLASSES[int(k) - 1]) for x, y, k in rows]
            rows.sort(key=str)
            assert points.mpp == 0.5
        if kind in ("sedeen", "coco"):  # no class is a word or a pen there
            rows = [(x, y, k if k in CLASSES else None) for x, y, k in rows]
            rows.sort(key=str)
        assert len(rows) == len(expected), kind
        places = np.array([r[:2] for r in rows]), np.array([e[:2] for e in expected])
        np.testing.assert_allclose(*places, atol=0.02, err_msg=kind)
        assert [r[2] for r in rows] == [e[2] for e in expected], kind
        if kind in ("geojson", "packed"):
            assert points.colours == dict(zip(CLASSES, COLOURS, strict=True))


def test_streamed_geojson_is_what_the_whole_file_gives(tmp_path: Path) -> None:
    path = written(tmp_path)["geojson"]
    pretty = tmp_path / "pretty.geojson"
    pretty.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    one, other = read_points(path), read_points(pretty)
    np.testing.assert_array_equal(one.xy, other.xy)
    assert (one.labels, one.kinds.tolist()) == (other.labels, other.kinds.tolist())
    centres = [s.exterior_xy.mean(axis=0) for s in read_drawing(path).shapes]
    assert len(centres) == len(one)


def test_annotations_beside_detections_are_regions(tmp_path: Path) -> None:
    content = json.loads(written(tmp_path)["geojson"].read_text())
    number = len(content["features"])
    ring = [[0, 0], [60, 0], [60, 40], [0, 40], [0, 0]]
    region = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    region["properties"] = {"objectType": "annotation"}
    content["features"] += [region, {**region, "properties": {"objectType": "tile"}}]
    path = tmp_path / "both.geojson"
    path.write_text(json.dumps(content))
    points = read_points(path)
    assert len(points) == number
    assert points.left_out == ("1 tiles or cores", "1 annotations, which are regions")


def test_unusual_features_are_read_as_drawings_are(tmp_path: Path) -> None:
    square = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]
    apart = [[10, 0], [12, 0], [12, 2], [10, 2], [10, 0]]
    hole = [[1, 1], [1, 3], [2, 3], [2, 1], [1, 1]]
    shapes = [
        {"type": "MultiPolygon", "coordinates": [[square], [apart]]},
        {"type": "Polygon", "coordinates": [square, apart]},
        {"type": "Polygon", "coordinates": [square, hole]},
        {"type": "Point", "coordinates": [3, 5]},
        {"type": "MultiPoint", "coordinates": [[7, 5], [9, 5]]},
        {"type": "LineString", "coordinates": [[0, 0], [5, 5]]},
        {"type": "Polygon", "coordinates": [[[0, 0, 1], [4, 0, 1], [4, 4, 1], [0, 0, 1]]]},
    ]
    features = [{"type": "Feature", "geometry": s, "properties": {}} for s in shapes]
    path = tmp_path / "odd.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    points = read_points(path)
    assert points.xy[:6].round(6).tolist() == [
        *([3.3, 1.3], [3.3, 1.3], [1.571429, 1.5], [2.5, 4.5], [6.5, 4.5], [8.5, 4.5])
    ]
    assert len(points) == 7
    assert any("unclosed" in why for why in points.left_out)


CUT = gzip.compress(b'{"type":"FeatureCollection"', mtime=0)[:-9]  # one name, whatever the time


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.geojson", b'{"type":"FeatureCollection","features":[\n{"type":"Fea', "cut short"),
        ("cut.geojson.gz", CUT, "cannot be read"),
        ("none.json", b"", "empty"),
        ("no.json", b'{"a": 1}', "not GeoJSON"),
        ("t.csv", b"id,x\n1,2\n", "expected x, y"),
        ("u.csv", b"x,y\n1,far\n", "cannot be read as a table"),
        ("v.csv", b"x,y,class\n1,2\n", "cannot be read as a table"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFileError, match=words) as caught:
        read_points(tmp_path / name)
    assert name in str(caught.value)


def test_an_empty_collection_is_no_nuclei(tmp_path: Path) -> None:
    path = tmp_path / "e.geojson"
    path.write_text('{"type":"FeatureCollection","features":[\n]}\n')
    assert len(read_points(path)) == 0


def test_a_table_may_have_a_nucleus_without_class_or_place(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("class,x,y\n,1,2\na,3,4\na,nan,4\n")
    points = read_points(path)
    assert by_place(points) == [(1.0, 2.0, None), (3.0, 4.0, "a")]
    assert points.left_out == ("1 whose place is no number",)
    assert points.numbered(["b", "a"]).tolist() == [0, 2]
    assert points.numbered(["b"]).tolist() == [0, -1]


@given(st.integers(0, 10_000))
def test_the_centre_of_a_polygon_is_that_of_its_area(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(3, 9, (12, 1))
    place = rng.uniform(0, 1e5, 2)
    closed = np.concatenate([ring, ring[:1]]) + place
    import shapely

    expected = shapely.Polygon(ring).centroid
    (found,) = ring_centres(closed, np.array([13]))
    if shapely.Polygon(ring).is_valid:
        np.testing.assert_allclose(found - place, [expected.x, expected.y], atol=1e-6)


def test_what_has_no_area_has_the_mean_of_its_corners() -> None:
    found = Centres(origin=0.0)
    found.ring([[3, 4]], "a")
    found.ring([[0, 0], [4, 0]], "a")
    found.ring([[0, 0], [4, 4], [4, 0], [0, 4]], None)  # a bow tie: signed area 0
    assert found.result().xy.tolist() == [[3, 4], [2, 0], [2, 2]]
