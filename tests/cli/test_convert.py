"""``histoseg convert`` and ``histoseg check`` as typed."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import tifffile
from scipy.io import loadmat

from histoseg.contracts import Predicted
from histoseg.writers import (
    check_geojson,
    write_coco,
    write_geojson,
    write_hovernet_json,
    write_hovernet_mat,
    write_imagej_roi,
    write_label_tiff,
    write_sedeen,
    write_type_info,
)
from writers.drawn import CLASSES, COLOURS, hard_labels, prediction_of

from .conftest import Call

ALL = "to=[geojson,hovernet_json,coco,sedeen,imagej,table,mat,labels,classes,zarr]"
WRITERS: dict[str, Callable[[Path, Predicted], Path]] = {
    "coco": write_coco,
    "geojson": write_geojson,
    "hovernet_json": write_hovernet_json,
    "hovernet_mat": write_hovernet_mat,
    "imagej_roi": write_imagej_roi,
    "label_tiff": write_label_tiff,
    "sedeen": write_sedeen,
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def nuclei_of(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())["nuc"].values())


@pytest.mark.parametrize("kind", WRITERS)
def test_from_any_format_to_all_others(tmp_path: Path, histoseg_: Call, kind: str) -> None:
    truth = prediction_of(hard_labels(), mpp=0.25)
    source = WRITERS[kind](tmp_path / "in", truth)
    write_type_info(tmp_path, CLASSES, COLOURS)
    out = tmp_path / "out"
    said = histoseg_("convert", f"input={source}", f"output={out}", ALL, "type_info=type_info.json")
    assert said.code == 0, said.err
    (row,) = rows_of(out / "summary.csv")
    assert (row["picture"], row["state"], row["nuclei"]) == ("tile_1", "done", "11")
    expected = nuclei_of(write_hovernet_json(tmp_path / "truth", truth))
    typed = kind != "label_tiff"  # ids alone
    in_parts = hard_labels() == 20  # four pixels that meet at corners: outlines keep one
    for ours, theirs in zip(nuclei_of(out / "json" / "tile_1.json"), expected, strict=True):
        if theirs["bbox"] != [[8, 30], [12, 34]] or kind in ("hovernet_json", "hovernet_mat"):
            assert ours["contour"] == theirs["contour"]
            assert ours["bbox"] == theirs["bbox"]
            assert ours["centroid"] == pytest.approx(theirs["centroid"])
        assert ours["type"] == (theirs["type"] if typed else None) or not typed
        if kind in ("geojson", "hovernet_json", "coco", "sedeen"):
            assert ours["type_prob"] == pytest.approx(theirs["type_prob"], abs=5e-5)
    assert check_geojson(out / "geojson" / "tile_1.geojson") == []
    labels = tifffile.imread(out / "labels" / "tile_1.ome.tif")
    height, width = labels.shape
    same = ((labels > 0) == (hard_labels()[:height, :width] > 0)) | in_parts[:height, :width]
    assert same.all()
    np.testing.assert_array_equal(loadmat(out / "mat" / "tile_1.mat")["inst_map"], labels)


def test_a_json_comes_back_byte_for_byte(tmp_path: Path, histoseg_: Call) -> None:
    truth = prediction_of(hard_labels(), mpp=0.25)
    first = [write_hovernet_json(tmp_path / "in", truth), write_geojson(tmp_path / "in", truth)]
    write_type_info(tmp_path, CLASSES, COLOURS)
    said = histoseg_(
        *("convert", f"input={first[0]}", "output=out", "to=[hovernet_json,geojson]"),
        "type_info=type_info.json",
    )
    assert said.code == 0, said.err
    for path in first:
        assert (
            tmp_path / "out" / path.relative_to(tmp_path / "in")
        ).read_bytes() == path.read_bytes()


def test_a_folder_with_a_broken_file(tmp_path: Path, histoseg_: Call) -> None:
    for name in ("b", "a.x"):
        write_geojson(tmp_path / "in", prediction_of(hard_labels(), name=name), packed=name == "b")
    folder = tmp_path / "in" / "geojson"
    (folder / "c.geojson").write_bytes((folder / "a.x.geojson").read_bytes()[:2000])
    write_type_info(folder, CLASSES, COLOURS)  # is no file of nuclei
    said = histoseg_("convert", f"input={folder}", "output=out", "to=table")
    assert "1 of 3 pictures failed" in said.complaint
    assert "c.geojson" in said.complaint
    assert [row["state"] for row in rows_of(tmp_path / "out" / "summary.csv")] == [
        "done",
        "done",
        "failed",
    ]
    tables = sorted(p.name for p in (tmp_path / "out" / "table").iterdir())
    assert tables == ["a.x.csv", "b.csv"]
    assert not list((tmp_path / "out").glob(".convert*"))
    assert {r["class"] for r in rows_of(tmp_path / "out" / "table" / "b.csv")} == {"", *CLASSES}
    said = histoseg_("convert", f"input={folder}", "output=out", "to=table", "on_error=raise")
    assert "c.geojson" in said.complaint


def test_scale_and_mpp_lead_to_a_slide_at_full_size(tmp_path: Path, histoseg_: Call) -> None:
    source = write_hovernet_json(tmp_path / "in", prediction_of(hard_labels(), mpp=0.5))
    assert histoseg_("convert", f"input={source}", "output=out", "scale=2").code == 0
    (first, *_) = json.loads((tmp_path / "out/geojson/tile_1.geojson").read_text())["features"]
    assert shapely.geometry.shape(first["geometry"]).bounds == (20, 0, 32, 10)
    assert first["properties"]["measurements"]["Area µm^2"] == 30 / 4
    assert first["properties"].get("classification", {}).get("name") in (None, "1", "2")


def test_what_is_no_nucleus_is_reported(tmp_path: Path, histoseg_: Call) -> None:
    path = write_geojson(tmp_path / "in", prediction_of(hard_labels()))
    content = json.loads(path.read_text())
    content["features"][1]["geometry"] = {"type": "Point", "coordinates": [3, 4]}
    content["features"][2]["geometry"]["coordinates"] = [[[0, 0], [0, 9e4], [9e4, 0], [0, 0]]]
    path.write_text(json.dumps(content, indent=1))
    assert histoseg_("convert", f"input={path}", "output=out", "to=[table]").code == 0
    why = {row["where"]: row["why"] for row in rows_of(tmp_path / "out" / "report.csv")}
    assert why == {
        "feature 1": "a point has no outline",
        "feature 2": "90000 x 90000 px: no nucleus",
    }
    assert len(rows_of(tmp_path / "out" / "table" / "tile_1.csv")) == 9


def test_what_is_asked_must_be_there(tmp_path: Path, histoseg_: Call) -> None:
    source = write_geojson(tmp_path / "in", prediction_of(hard_labels()))
    assert (
        "expected some of classes, coco"
        in histoseg_("convert", f"input={source}", "to=[xls]").complaint
    )
    assert "there is no file" in histoseg_("convert", "input=nowhere").complaint


def test_check_says_what_is_wrong_and_where(tmp_path: Path, histoseg_: Call) -> None:
    path = write_geojson(tmp_path / "in", prediction_of(hard_labels()))
    assert "no problems" in histoseg_("check", f"input={path}").out
    content = json.loads(path.read_text())
    content["features"][3]["geometry"]["coordinates"][0] = [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]
    del content["features"][5]["properties"]["objectType"]
    content["features"][7]["id"] = content["features"][6]["id"]
    bad = path.with_name("bad.geojson.gz")
    bad.write_bytes(gzip.compress(json.dumps(content).encode()))
    said = histoseg_("check", f"input={path.parent}")
    assert said.code == 1
    assert f"{path}: no problems" in said.out
    for problem in (
        "feature 3: its geometry is invalid: Self-intersection",
        "feature 3: after rounding",
        "feature 5: properties.objectType is None",
        "feature 7: id is there twice, feature 6 has it too",
    ):
        assert (f"{bad}: {problem}" in said.out) != ("rounding" in problem)
    assert f"{bad}: 3 problems" in said.out
    short = histoseg_("check", f"input={bad}", "most=1")
    assert "and 2 more" in short.out
