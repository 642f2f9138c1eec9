"""Written region by region, a slide's files are those of the whole picture."""

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyarrow import parquet

from histoseg.contracts import LabelPart, Nuclei, Predicted, Prediction, SlidePrediction
from histoseg.writers import (
    check_geojson,
    draw_dots,
    write_coco,
    write_geojson,
    write_hovernet_json,
    write_hovernet_mat,
    write_imagej_roi,
    write_overlay,
    write_parquet,
    write_sedeen,
    write_table,
)
from writers.drawn import hard_labels, prediction_of

Writer = Callable[[Path, Predicted], Path]
SAME = (write_geojson, write_hovernet_json, write_imagej_roi, write_sedeen, write_table)


def in_regions(whole: Prediction, **changes: object) -> SlidePrediction:
    """The same nuclei as a slide of four parts, one of which is empty."""
    nuclei = Nuclei.of(whole.instances, whole.measures)
    cuts = [nuclei[:3], nuclei[3:3], nuclei[3:4], nuclei[4:]]

    def parts() -> Iterator[Nuclei]:
        for number, cut in enumerate(cuts):
            yield cut.shifted(-9 * number, 5).shifted(9 * number, -5)

    def label_parts() -> Iterator[LabelPart]:
        for cut in cuts:
            labels = np.where(np.isin(whole.instances.labels, cut.ids), whole.instances.labels, 0)
            yield LabelPart(0, 0, labels)

    facts = {f: getattr(whole, f) for f in ("name", "size", "classes", "colours", "mpp")}
    return SlidePrediction(parts=parts, label_parts=label_parts, **(facts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("write", SAME, ids=lambda w: w.__name__)
@pytest.mark.parametrize("typed", [True, False])
def test_in_parts_as_whole(tmp_path: Path, write: Writer, typed: bool) -> None:
    whole = prediction_of(hard_labels(), typed, mpp=0.25 if typed else None)
    whole = replace(whole, measures={"DAB OD mean": np.linspace(0, 1, len(whole.instances))})
    first, second = write(tmp_path / "a", whole), write(tmp_path / "b", in_regions(whole))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("write", [*SAME, write_coco], ids=lambda w: w.__name__)
def test_a_slide_without_regions(tmp_path: Path, write: Writer) -> None:
    nothing = SlidePrediction("slide", (30, 20), lambda: iter(()))
    empty = prediction_of(np.zeros((30, 20), int), False, name="slide", mpp=None)
    assert write(tmp_path / "a", nothing).read_bytes() == write(tmp_path / "b", empty).read_bytes()


def test_coco_of_a_slide_has_the_pixels_as_polygons(tmp_path: Path) -> None:
    whole = prediction_of(hard_labels())
    masks, polygons = (
        json.loads(write_coco(tmp_path / name, one).read_text())["annotations"]
        for name, one in (("a", whole), ("b", in_regions(whole)))
    )
    for mask, polygon in zip(masks, polygons, strict=True):
        ((*flat,),) = polygon.pop("segmentation")
        drawn = shapely.Polygon(np.reshape(flat, (-1, 2)))
        del mask["segmentation"]
        area = mask.pop("area") if mask["id"] != 20 else 1 + 0 * mask.pop("area")
        assert drawn.area == polygon.pop("area") == area
        assert mask == polygon


def test_a_slide_at_another_resolution_is_written_at_full_size(tmp_path: Path) -> None:
    whole = prediction_of(hard_labels(), mpp=0.5)
    slide = in_regions(whole, scale_xy=(2.03, 1.97), bounds_xy=(7, 11))
    path = write_geojson(tmp_path, slide)
    assert check_geojson(path) == []
    plain = json.loads(write_geojson(tmp_path / "plain", whole).read_text())["features"]
    for ours, theirs in zip(json.loads(path.read_text())["features"], plain, strict=True):
        ring = np.array(theirs["geometry"]["coordinates"][0]) * (2.03, 1.97) - (7, 11)
        np.testing.assert_allclose(ours["geometry"]["coordinates"][0], ring, atol=0.0051)
        assert ours["properties"] == theirs["properties"]
    elsewhere = json.loads(write_geojson(tmp_path, slide, from_bounds=False).read_text())
    first = np.array(plain[0]["geometry"]["coordinates"][0]) * (2.03, 1.97)
    np.testing.assert_allclose(
        elsewhere["features"][0]["geometry"]["coordinates"][0], first, atol=0.0051
    )
    row = write_table(tmp_path, slide).read_text().splitlines()[1].split(",")
    x, y = (whole.instances.centroid_xy[0] + 0.5) * (2.03, 1.97) - 0.5
    assert [float(row[3]), float(row[4])] == pytest.approx([x, y], abs=0.0051)
    assert float(row[8]) == 30 / 4  # area in µm² is of the frame


def test_packed_is_the_same_and_does_not_tell_the_time(tmp_path: Path) -> None:
    slide = in_regions(prediction_of(hard_labels()))
    plain = write_geojson(tmp_path, slide)
    packed = write_geojson(tmp_path / "a", slide, packed=True)
    assert packed.name == "tile_1.geojson.gz"
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert packed.read_bytes()[4:8] == bytes(4)
    assert check_geojson(packed) == []


def test_measures_are_told(tmp_path: Path) -> None:
    whole = prediction_of(hard_labels())
    whole = replace(
        whole, measures={"DAB OD mean": np.full(len(whole.instances), 0.123456, np.float32)}
    )
    (first, *_) = json.loads(write_geojson(tmp_path, whole).read_text())["features"]
    assert first["properties"]["measurements"]["DAB OD mean"] == 0.1235
    header, row, *_ = write_table(tmp_path, whole).read_text().splitlines()
    assert header.endswith(",solidity,DAB OD mean")
    assert row.endswith(",0.1235")


def test_parquet_has_the_table(tmp_path: Path) -> None:
    for typed in (True, False):
        slide = in_regions(prediction_of(hard_labels(), typed, mpp=0.25 if typed else None))
        table = parquet.read_table(write_parquet(tmp_path, slide))
        header, *rows = write_table(tmp_path, slide).read_text().splitlines()
        assert table.column_names == header.split(",")
        read = csv.reader(rows)
        for ours, texts in zip(table.to_pylist(), read, strict=True):
            for value, text in zip(ours.values(), texts, strict=True):
                assert text == "" if value is None else type(value)(text) == value
    nothing = SlidePrediction("slide", (30, 20), lambda: iter(()))
    assert parquet.read_table(write_parquet(tmp_path, nothing)).num_rows == 0


def test_what_a_slide_cannot_be_written_as(tmp_path: Path) -> None:
    slide = in_regions(prediction_of(hard_labels()))
    with pytest.raises(ValueError, match="of an image, not of a slide"):
        write_hovernet_mat(tmp_path, slide)
    with pytest.raises(ValueError, match="no thumbnail"):
        write_overlay(tmp_path, slide)
    assert not list(tmp_path.rglob("*.*"))


def test_an_overlay_of_a_slide_has_a_dot_for_each_nucleus(tmp_path: Path) -> None:
    from PIL import Image

    thumbnail = np.full((20, 30, 3), 255, np.uint8)  # half the size
    slide = in_regions(prediction_of(hard_labels()), thumbnail=thumbnail, mpp=2.0)
    picture = np.asarray(Image.open(write_overlay(tmp_path, slide)))
    assert picture.shape[1:] == (30, 3)
    drawn = picture[:20]
    for part in slide.parts():
        for (x, y), kind in zip(part.centroid_xy, part.semantic, strict=True):
            colour = ((0, 255, 255), *slide.colours)[kind]
            assert tuple(drawn[int((y + 0.5) / 2), int((x + 0.5) / 2)]) == colour
    assert (drawn != 255).any(axis=-1).sum() <= sum(map(len, slide.parts()))
    wider = draw_dots(thumbnail, replace(slide, mpp=0.5))  # 3 px on each side
    assert (wider != 255).any(axis=-1).sum() > 5 * (drawn != 255).any(axis=-1).sum()
