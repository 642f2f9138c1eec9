"""Files read object by object say what they say read whole; what is traced is what was drawn."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histoseg.annotations import Dropped, Shape, read_drawings, stem, stream_drawings, traced
from histoseg.contracts import Nuclei, Predicted
from histoseg.errors import UnreadableFileError
from histoseg.ops.instances import instances_from_labels
from histoseg.writers import write_coco, write_geojson, write_hovernet_json, write_sedeen
from writers.drawn import hard_labels, prediction_of

Writer = Callable[[Path, Predicted], Path]
WRITERS = (write_coco, write_geojson, write_hovernet_json, write_sedeen)


PACKED = (write_coco, write_geojson, write_hovernet_json)


@pytest.mark.parametrize(
    ("write", "packed"),
    [*((w, False) for w in WRITERS), *((w, True) for w in PACKED)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_streamed_as_whole(tmp_path: Path, write: Writer, packed: bool) -> None:
    path = write(tmp_path, prediction_of(hard_labels(), mpp=0.5))
    if packed:
        path = path.with_name(f"{path.name}.gz")
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    (whole,) = read_drawings(path).values()
    (stream,) = stream_drawings(path)
    assert (stream.name, stream.size, stream.mpp) == ("tile_1", whole.size, whole.mpp)
    found = list(stream.objects)
    assert len(found) == len(whole.shapes) == 11
    for ours, theirs in zip(found, whole.shapes, strict=True):
        assert isinstance(ours, Shape)
        np.testing.assert_array_equal(ours.exterior_xy, theirs.exterior_xy)
        said = [(s.colour, s.score, s.number, s.where) for s in (ours, theirs)]
        assert said[0] == said[1]
        assert ours.label in (theirs.label, None)  # COCO's category 0 is no class


def test_several_images_are_read_whole(tmp_path: Path) -> None:
    path = write_coco(tmp_path, prediction_of(hard_labels()))
    content = json.loads(path.read_text())
    content["images"].append({"id": 2, "file_name": "b.png", "height": 9, "width": 9})
    path.write_text(json.dumps(content))
    assert [(s.name, len(list(s.objects))) for s in stream_drawings(path)] == [
        ("tile_1", 11),
        ("b", 0),
    ]


def test_a_cut_file_gives_what_came_before(tmp_path: Path) -> None:
    path = write_geojson(tmp_path, prediction_of(hard_labels()))
    path.write_bytes(path.read_bytes()[:-700])
    (stream,) = stream_drawings(path)
    with pytest.raises(UnreadableFileError, match="cut short"):
        list(stream.objects)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.b.geojson.gz", "a.b"), ("c.session.xml", "c"), ("d.ome.tif", "d"), ("3.1 x", "3.1 x")],
)
def test_the_name_of_a_picture(name: str, expected: str) -> None:
    assert stem(Path(name)) == expected


def test_traced_are_the_pixels_that_were_outlined() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((300, 300), np.int32)
    for key in range(1, 400):
        x, y, w, h = *rng.integers(0, 290, 2), *rng.integers(1, 10, 2)
        labels[y : y + h, x : x + w] = key
    truth = Nuclei.of(instances_from_labels(labels))
    shapes = [
        Shape("polygon", c.astype(float), number=k)
        for k, c in zip(truth.ids.tolist(), truth.contours(), strict=True)
    ]
    dropped: list[Dropped] = []
    parts = [nuclei for nuclei, _ in traced(shapes, dropped)]
    found = Nuclei.joined(parts)
    assert not dropped
    np.testing.assert_array_equal(found.ids, truth.ids)
    for ours, theirs in zip(found.contours(), truth.contours(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_has_no_pixels_is_dropped_and_far_places_are_fine() -> None:
    square = np.array([[0, 0], [0, 2], [2, 2], [2, 0]], float)
    shapes = [
        Shape("polygon", square + np.array([1e6, -5e5]), where="far"),
        Shape("polygon", square / 10 + 0.3, where="tiny"),
        Shape("polygon", square * 9000, where="tissue"),
        Shape("point", square[:1], where="point"),
    ]
    dropped: list[Dropped] = []
    ((nuclei, kept),) = traced([*shapes, Dropped("line", "no area")], dropped)
    assert [shape.where for shape in kept] == ["far"]
    assert nuclei.box_xyxy.tolist() == [[1_000_000, -500_000, 1_000_003, -499_997]]
    assert nuclei.centroid_xy.tolist() == [[1_000_001, -499_999]]
    assert nuclei.score.tolist() == [1]
    assert {d.where for d in dropped} == {"tiny", "tissue", "point", "line"}
