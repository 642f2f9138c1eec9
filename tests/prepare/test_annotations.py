"""Own annotations: pairing, classes, what is dropped, and that one bad file stops no other."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from annotations.broken import DRAWN, REFUSED
from cli.conftest import Said, call
from fakes import annotations
from histoseg.annotations import read_labels
from histoseg.data import PreparedNuclei
from histoseg.prepare import ClassNames
from histoseg.writers import write_coco, write_imagej_roi, write_sedeen

NAMES = "prepare.classes=[tumour,lymphocyte]"


def prepare(tmp_path: Path, *args: str, source: str = "qupath") -> Said:
    given = [f"annotations={source}", "images=images", "output=out"]
    return call("prepare", *given, *args, cwd=tmp_path)


def report(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "out" / "report.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def feature(ring: list[list[float]], name: str | None = "tumour", **more: object) -> dict:
    classification = {"classification": {"name": name, "color": [9, 9, 9]}} if name else {}
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring], **more},
        "properties": {"objectType": "annotation", **classification},
    }


def square(x: float, y: float, side: float) -> list[list[float]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]


def draw(tmp_path: Path, *features: dict, size: int = 60) -> None:
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "qupath").mkdir(exist_ok=True)
    Image.fromarray(np.full((size, size, 3), 200, np.uint8)).save(tmp_path / "images" / "a.png")
    (tmp_path / "qupath" / "a.geojson").write_text(json.dumps(list(features)))


def test_geojson_becomes_a_data_set_with_the_same_pixels(tmp_path: Path) -> None:
    truth = annotations.write(tmp_path)
    said = prepare(tmp_path, NAMES, "prepare.source.group_pattern='^p[0-9]+'", "prepare.mpp=0.25")
    assert said.code == 0, said.err
    data = PreparedNuclei(tmp_path / "out", classes=annotations.CLASSES)
    assert list(data.ids) == sorted(truth)
    for name, record in zip(data.ids, data, strict=True):
        instances, semantic = truth[name]
        np.testing.assert_array_equal(record["instances"] > 0, instances > 0)
        assert len(np.unique(record["instances"])) == len(np.unique(instances))
        np.testing.assert_array_equal(record["semantic"], semantic)
        assert record["place"].mpp == 0.25
    assert [row["group"] for row in data.rows.values()] == ["p0", "p0", "p1", "p1", "p2", "p2"]
    assert report(tmp_path) == []


@pytest.mark.parametrize(
    ("write", "classes", "pattern"),
    [
        (write_sedeen, "[tumour,lymphocyte]", "sedeen/*.xml"),
        (write_sedeen, '{tumour:"#C80000",lymphocyte:"#00963CFF"}', "sedeen/*.xml"),
        (write_coco, "[tumour,lymphocyte]", "coco"),
        (write_imagej_roi, "{tumour:group 1,lymphocyte:group 2}", "imagej"),
        (write_imagej_roi, '{tumour:["#c80000"],lymphocyte:["#00963c",other]}', "imagej"),
    ],
)
def test_other_programs_and_classes_by_colour(
    write: object, classes: str, pattern: str, tmp_path: Path
) -> None:
    truth = annotations.write(tmp_path, count=2)
    for number in range(2):
        write(tmp_path, annotations.predicted(number))  # type: ignore[operator]
    said = prepare(tmp_path, f"prepare.classes={classes}", source=f"'{pattern}'")
    assert said.code == 0, said.err
    data = PreparedNuclei(tmp_path / "out", classes=annotations.CLASSES)
    for name, record in zip(data.ids, data, strict=True):
        np.testing.assert_array_equal(record["semantic"], truth[name][1])


def test_one_coco_file_of_many_images(tmp_path: Path) -> None:
    truth = annotations.write(tmp_path, count=3)
    whole: dict = {"images": [], "annotations": [], "categories": []}
    for number in range(3):
        one = json.loads(write_coco(tmp_path, annotations.predicted(number)).read_text())
        one["images"][0] |= {"id": number, "file_name": f"sub/{one['images'][0]['file_name']}.png"}
        whole["images"] += one["images"]
        whole["annotations"] += [a | {"image_id": number} for a in one["annotations"]]
        whole["categories"] = one["categories"]
    whole["images"].append({"id": 9, "file_name": "gone.png", "height": 9, "width": 9})
    (tmp_path / "coco.json").write_text(json.dumps(whole))
    said = prepare(tmp_path, NAMES, source="coco.json")
    assert "1 items failed" in said.complaint
    assert [row["why"] for row in report(tmp_path)] == [
        "coco.json is of 'gone.png'; there is no such image"
    ]
    data = PreparedNuclei(tmp_path / "out", classes=annotations.CLASSES, on_error="skip")
    for name, record in zip(data.ids, data, strict=True):
        np.testing.assert_array_equal(record["semantic"], truth[name][1])


def test_everything_left_out_is_in_the_report(tmp_path: Path) -> None:
    draw(
        tmp_path,
        feature(square(0, 0, 50), "Region"),  # around all the others
        feature(square(2, 2, 8)),
        feature(square(12, 2, 8), "lymphocyte"),
        feature(square(22, 2, 8), "stroma"),
        feature(square(32, 2, 8), None),
        feature([[2, 20], [10, 28], [10, 20], [2, 28], [2, 20]]),
        feature([[2, 40], [9, 40], [2, 40]]),
        feature(square(90, 90, 8)),
        feature(square(20, 20, 8)),
        feature(square(20, 20, 8)),
        feature(square(30, 20, 8)) | {"geometry": {"type": "LineString", "coordinates": [[0, 1]]}},
        feature([[float("nan"), 1], [2, 2], [3, 1]]),
    )
    said = prepare(tmp_path, NAMES)
    assert said.code == 0, said.err
    rows = {row["where"]: row["why"].split(":")[0] for row in report(tmp_path)}
    assert rows == {
        "feature 0": "a region around 6 other objects, not an object",
        "feature 3": "unknown class",
        "feature 4": "unknown class",
        "feature 5": "self-crossing",
        "feature 6": "an outline needs 3 points, here are 2",
        "feature 7": "outside the image of 60 x 60 pixels",
        "feature 8": "overlapping",
        "feature 10": "unclosed",
        "feature 11": "a coordinate is NaN or infinite",
    }
    assert {(row["item"], row["file"]) for row in report(tmp_path)} == {("a", "a.geojson")}
    (record,) = PreparedNuclei(tmp_path / "out", classes=annotations.CLASSES)
    assert np.bincount(record["semantic"].ravel()).tolist() == [60 * 60 - 3 * 64, 128, 64]


def test_rules_are_configuration(tmp_path: Path) -> None:
    draw(
        tmp_path,
        feature(square(0, 0, 40), "Region"),
        *(feature(square(2 + 10 * k, 2, 8)) for k in range(3)),
        feature(square(2, 20, 8), "artefact"),
    )
    rules = "prepare.source.regions=true", "prepare.source.unwanted=[artefact]"
    assert prepare(tmp_path, "prepare.classes=[tumour,Region]", *rules).code == 0
    assert report(tmp_path) == []
    (record,) = PreparedNuclei(tmp_path / "out", classes=["tumour", "Region"])
    assert np.bincount(record["semantic"].ravel()).tolist() == [2000, 192, 1600 - 192]
    strict = prepare(tmp_path, NAMES, "prepare.source.unknown=error")
    assert "feature 4: unknown class: label 'artefact'" in strict.complaint


def test_labels_that_are_files_of_numbers(tmp_path: Path) -> None:
    truth = annotations.write(tmp_path, count=2)
    shutil.rmtree(tmp_path / "qupath")
    (tmp_path / "mat").mkdir()
    for name, (instances, semantic) in truth.items():
        savemat(tmp_path / "mat" / f"{name}.mat", {"inst_map": instances, "type_map": semantic})
    assert prepare(tmp_path, NAMES, source="mat").code == 0
    data = PreparedNuclei(tmp_path / "out", classes=annotations.CLASSES)
    for name, record in zip(data.ids, data, strict=True):
        np.testing.assert_array_equal(record["instances"], truth[name][0])
        np.testing.assert_array_equal(record["semantic"], truth[name][1])
    assert prepare(tmp_path, "prepare.classes={lymphocyte:2}", source="mat").code == 0
    data = PreparedNuclei(tmp_path / "out", classes=["lymphocyte"])
    np.testing.assert_array_equal(data[0]["semantic"], truth[data.ids[0]][1] == 2)
    assert {row["where"] for row in report(tmp_path)} == {"class 1"}


def test_an_image_without_nuclei_counts_and_one_without_file_does_not(tmp_path: Path) -> None:
    draw(tmp_path)
    Image.new("RGB", (9, 9)).save(tmp_path / "images" / "b.png")
    said = prepare(tmp_path, NAMES)
    assert said.code == 0, said.err
    assert "1 images have no annotations and are left out: ['b']" in said.out + said.err
    (record,) = PreparedNuclei(tmp_path / "out", classes=annotations.CLASSES)
    assert not record["instances"].any()


def test_annotations_of_a_slide_are_scaled_to_a_smaller_copy_of_it(tmp_path: Path) -> None:
    draw(tmp_path, size=30)
    one = annotations.predicted(0, size=60)
    write_sedeen(tmp_path, one)
    shutil.move(tmp_path / "sedeen" / "p0_0.session.xml", tmp_path / "sedeen" / "a.session.xml")
    assert prepare(tmp_path, source="sedeen").code == 0
    data = PreparedNuclei(tmp_path / "out")
    half = (one.instances.labels > 0).reshape(30, 2, 30, 2).sum(axis=(1, 3))
    found = data[0]["instances"] > 0
    assert found[half == 4].all()
    assert not found[half == 0].any()
    assert data[0]["place"].mpp == 0.5
    Image.new("RGB", (30, 60)).save(tmp_path / "images" / "a.png")
    complaint = prepare(tmp_path, source="sedeen").complaint
    assert "drawn on an image of 60 x 60 pixels; this one has 30 x 60" in complaint


def test_two_files_of_one_image_and_a_file_of_none(tmp_path: Path) -> None:
    draw(tmp_path)
    shutil.copy(tmp_path / "qupath" / "a.geojson", tmp_path / "qupath" / "a.json")
    shutil.copy(tmp_path / "qupath" / "a.geojson", tmp_path / "qupath" / "z.json")
    assert "2 items failed" in prepare(tmp_path).complaint
    assert [row["why"] for row in report(tmp_path)] == [
        "a.geojson and a.json both are of image a",
        "qupath/z.json: there is no image called z",
    ]
    assert read_labels(tmp_path / "out" / "instances" / "a.tif").shape == (60, 60)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    draw(tmp_path)
    assert "no annotations in nowhere" in prepare(tmp_path, source="nowhere").complaint
    said = call("prepare", "annotations=qupath", cwd=tmp_path)
    assert "images=<folder>" in said.complaint


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("prepare.source.overlap=bigger", "smaller, larger, later"),
        ("prepare.source.unknown=maybe", "drop, error"),
        ("prepare.mpp=-1", "above 0"),
        ("prepare.classes=[nuclei]", "'nuclei'"),
    ],
)
def test_a_mistaken_rule_is_refused(option: str, words: str, tmp_path: Path) -> None:
    draw(tmp_path, feature(square(2, 2, 8)))
    said = prepare(tmp_path, option)
    assert said.code == 1
    assert words in said.complaint


def test_a_warning_comes_once(tmp_path: Path) -> None:
    draw(tmp_path, feature(square(2, 2, 8)))
    shutil.copy(tmp_path / "images" / "a.png", tmp_path / "images" / "b.png")
    said = prepare(tmp_path)
    assert (said.out + said.err).count("have no annotations") == 1


def test_class_names_say_what_is_meant() -> None:
    names = ClassNames({"tumour": ["Tumor", "#FF0000"], "other": None, "blood": 7}, ["Region"])
    assert names.names == ("tumour", "other", "blood")
    assert names.number("Tumor", None) == 1
    assert names.number("Region 3", (255, 0, 0)) == 1
    assert names.number("other", (255, 0, 0)) == 2
    assert names.number("7", None) == 3
    assert names.number("1", None) is None, "numbers mean what classes says"
    assert names.number("Region", (255, 0, 0)) == 0
    assert names.colours()[0] == (255, 0, 0)
    assert len(set(names.colours())) == 3
    with pytest.raises(ValueError, match="'Tumor' is said of two classes"):
        ClassNames({"a": "Tumor", "b": ["Tumor"]})


def test_bad_files_of_every_format_stop_no_other(tmp_path: Path) -> None:
    truth = annotations.write(tmp_path, count=1)
    picture = next((tmp_path / "images").iterdir())
    names = {}
    for fault, (formats, content, _) in REFUSED.items():
        for name in formats:
            if fault in ("far coordinates", "billion pixels") and name in DRAWN:
                continue  # the size of the picture is known here
            stem = f"{fault} {name}".replace(".", "_")
            kept = name.replace(".asap", "").replace(".coco", "").replace(".patch", "")
            names[stem] = stem + kept[1:]
            (tmp_path / "qupath" / names[stem]).write_bytes(content(name))
            shutil.copy(picture, tmp_path / "images" / f"{stem}.png")
    assert len(names) > 70
    assert f"{len(names)} items failed" in prepare(tmp_path, NAMES).complaint
    rows = {row["item"]: row for row in report(tmp_path)}
    assert set(rows) == set(names)
    for stem, name in names.items():
        assert rows[stem]["file"] == name
        assert name in rows[stem]["why"]
    data = PreparedNuclei(tmp_path / "out", classes=annotations.CLASSES, on_error="skip")
    assert list(data.ids) == list(truth)
