"""``histoseg predict``: what it leaves, and what it says when it cannot."""

import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
import tifffile
from PIL import Image
from scipy.io import loadmat

from fakes.discs import discs
from histoseg.annotations import read_type_info
from histoseg.data.synthetic import synthetic_tissue
from histoseg.slides import read_image
from histoseg.writers import write_type_info
from histoseg.writers.check_geojson import check_geojson

from .conftest import Call, Said

KINDS = {"json": "json", "mat": "mat", "overlay": "png", "geojson": "geojson", "table": "csv"}
CPU = ("accelerator=cpu", "trust=[mypkg]")


@pytest.fixture
def predicted(histoseg_: Call, run: Path) -> Call:
    """``histoseg predict`` with the user's model, which finds every disc."""
    return lambda *args: histoseg_("predict", f"ckpt={run}", *CPU, *args)


def summary(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as f:
        return list(csv.DictReader(f))


def labels(folder: Path, name: str) -> np.ndarray:
    found: np.ndarray = loadmat(folder / "mat" / f"{name}.mat")["inst_map"]
    return found


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)


def test_hovernet_leaves_every_kind_of_file_and_each_is_valid(
    histoseg_: Call, hovernet_run: Path, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "tissue.png", synthetic_tissue(100, 150, seed=2)["image"])
    said = histoseg_("predict", f"ckpt={hovernet_run}", "input=in", "output=out", *CPU)
    assert said.code == 0, said.err
    out = tmp_path / "out"
    files = {kind: out / kind / f"tissue.{suffix}" for kind, suffix in KINDS.items()}
    (row,) = summary(out)
    count = int(row["nuclei"])
    assert count > 0
    assert (row["image"], row["state"]) == ("in/tissue.png", "done")
    assert check_geojson(files["geojson"]) == []
    assert len(orjson.loads(files["geojson"].read_bytes())["features"]) == count
    nuclei = json.loads(files["json"].read_text())
    assert nuclei["mag"] == 40
    assert len(nuclei["nuc"]) == count
    keys = {"bbox", "centroid", "contour", "type", "type_prob"}
    assert all(set(nucleus) == keys for nucleus in nuclei["nuc"].values())
    mat = loadmat(files["mat"])
    assert {"inst_map", "inst_uid", "inst_type", "inst_centroid"} <= set(mat)
    assert mat["inst_map"].shape == (100, 150)
    assert len(mat["inst_uid"]) == count
    with files["table"].open() as f:
        assert len(list(csv.DictReader(f))) == count
    assert read_image(files["overlay"]).shape[1] >= 150
    assert (out / "environment.json").is_file()
    assert "ckpt: " in (out / "config.yaml").read_text()
    assert said.out.strip() == f"{count} nuclei in 1 images; results in out"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"], "nothing beside the results"


def test_classes_without_colours_get_some(
    histoseg_: Call, hovernet_run: Path, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "tissue.png", synthetic_tissue(100, 150, seed=2)["image"])
    args = [f"ckpt={hovernet_run}", "input=in", "output=out", "model.colours=[]", *CPU]
    said = histoseg_("predict", *args)
    assert said.code == 0, said.err
    assert check_geojson(tmp_path / "out" / "geojson" / "tissue.geojson") == []


def test_pictures_of_every_kind_and_size_give_the_same_discs(
    predicted: Call, tmp_path: Path
) -> None:
    image, truth = discs(0, 70, 90)
    alpha = np.full((*image.shape[:2], 1), 255, np.uint8)
    save(tmp_path / "in" / "rgb.png", image)
    save(tmp_path / "in" / "rgba.png", np.concatenate([image, alpha], axis=-1))
    tifffile.imwrite(tmp_path / "in" / "deep.tiff", image.astype(np.uint16) * 257)
    save(tmp_path / "in" / "grey.png", np.ascontiguousarray(image[..., 0]))  # red tells them apart
    save(tmp_path / "in" / "small.png", image[:20, :20])
    save(tmp_path / "in" / "dot.png", np.full((1, 1, 3), 90, np.uint8))
    save(tmp_path / "in" / "blank.png", np.full((30, 30, 3), 250, np.uint8))
    said = predicted("input=in", "output=out")
    assert said.code == 0, said.err
    assert {row["state"] for row in summary(tmp_path / "out")} == {"done"}
    for name in ("rgb", "rgba", "deep", "grey"):
        found = labels(tmp_path / "out", name)
        np.testing.assert_array_equal(found > 0, truth > 0, err_msg=name)
        assert found.max() == truth.max()
    np.testing.assert_array_equal(labels(tmp_path / "out", "small") > 0, truth[:20, :20] > 0)
    assert labels(tmp_path / "out", "dot").tolist() == [[1]]
    assert labels(tmp_path / "out", "blank").max() == 0
    for path in (tmp_path / "out" / "geojson").iterdir():
        assert check_geojson(path) == [], path.name


@pytest.mark.parametrize("given", ["in/a.png", "in/*.png", "[in/a.png]", "'in/a.png'"])
def test_input_is_a_picture_a_pattern_or_a_list(
    given: str, predicted: Call, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "a.png", discs(0)[0])
    said = predicted(f"input={given}", "output=out", "overlap=8", "batch_size=2")
    assert said.code == 0, said.err
    assert [row["image"] for row in summary(tmp_path / "out")] == ["in/a.png"]


def test_images_of_another_scale_give_the_same_nuclei_in_their_own_pixels(
    predicted: Call, tmp_path: Path
) -> None:
    image, _ = discs(1, 64, 80)
    twice = image.repeat(2, axis=0).repeat(2, axis=1)
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    for name, pixels, mpp in (("as", image, 0.25), ("twice", twice, 0.125), ("half", half, 0.5)):
        save(tmp_path / name / f"{name}.png", pixels)
        said = predicted(f"input={name}", f"output={name}", f"mpp={mpp}", "save_maps=true")
        assert said.code == 0, said.err
    as_trained, twice_found, half_found = (
        loadmat(tmp_path / name / "mat" / f"{name}.mat") for name in ("as", "twice", "half")
    )
    want = as_trained["inst_map"]
    np.testing.assert_array_equal(twice_found["inst_map"], want.repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_allclose(
        twice_found["inst_centroid"], 2 * as_trained["inst_centroid"] + 0.5, atol=1e-6
    )
    assert half_found["inst_map"].shape == (32, 40)
    np.testing.assert_allclose(
        half_found["inst_centroid"], as_trained["inst_centroid"] / 2 - 0.25, atol=0.3
    )
    assert twice_found["raw_map"].shape[:2] == (128, 160), "maps are in the frame of the image"
    tables = [(tmp_path / name / "table" / f"{name}.csv").read_text() for name in ("as", "twice")]
    areas = [[float(r["area_um2"]) for r in csv.DictReader(t.splitlines())] for t in tables]
    np.testing.assert_allclose(areas[0], areas[1], rtol=0.01)


def test_a_model_that_does_not_know_its_scale_says_so(predicted: Call, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", discs(0)[0])
    said = predicted("input=in", "output=out", "mpp=0.5", "model.mpp=null")
    assert said.code == 0
    assert "does not know its own mpp" in said.out


def test_an_unreadable_image_is_named_and_the_others_are_done(
    predicted: Call, tmp_path: Path
) -> None:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png", discs(0)[0])
    os.truncate(tmp_path / "in" / "b.png", 200)
    said = predicted("input=in", "output=out")
    assert "1 of 3 images failed, the others are done" in said.complaint
    assert "b.png" in said.complaint
    rows = summary(tmp_path / "out")
    assert [row["state"] for row in rows] == ["done", "failed", "done"]
    assert "b.png" in rows[1]["error"]
    assert sorted(p.stem for p in (tmp_path / "out" / "json").iterdir()) == ["a", "c"]
    strict = predicted("input=in", "output=strict", "on_error=raise")
    assert "b.png" in strict.complaint
    assert [row["state"] for row in summary(tmp_path / "strict")] == ["done"]


def half_a_checkpoint(run: Path, folder: Path) -> None:
    shutil.copy(run / "best.ckpt", folder / "half.ckpt")
    os.truncate(folder / "half.ckpt", (folder / "half.ckpt").stat().st_size // 2)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["output=taken/out"], ["taken/out: cannot write there", "choose another output="]),
        (["input=empty"], ["folder empty has 0 files"]),
        (["input=nowhere"], ["no file or folder nowhere"]),
        (["input=twins"], ["a.jpg and twins/a.png", "Rename"]),
        (["ckpt=half.ckpt"], ["half.ckpt", "cannot be read"]),
        (["ckpt=nowhere"], ["no checkpoint and no folder nowhere"]),
        (["ckpt=empty"], ["no checkpoint in empty"]),
        (["ckpt=in/a.png"], ["in/a.png", "cannot be read as weights"]),
        (["trust=[]"], ["no class of histoseg", "trust=[mypkg]"]),
        (["model.network.width=16"], ["model.network.width"]),
        (["accelerator=tpu"], ["accelerator=tpu: expected one of auto, cpu, gpu"]),
        (["precision=8"], ["precision=8: expected one of 32-true"]),
        (["on_error=skp"], ["on_error=skp"]),
        (["mpp=0"], ["mpp=0: expected micrometres"]),
        (["mpp=2500"], ["mpp=2500: expected micrometres per pixel, 0.05 to 20"]),
        (["batch_size=0"], ["batch_size=0"]),
        (["overlap=48"], ["overlap 48 does not fit"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_mistake_is_answered_in_one_paragraph(
    args: list[str], words: list[str], predicted: Call, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").write_text("a file where a folder should be")
    half_a_checkpoint(run, tmp_path)
    save(tmp_path / "in" / "a.png", discs(0)[0])
    for suffix in ("png", "jpg"):
        save(tmp_path / "twins" / f"a.{suffix}", discs(0)[0])
    said: Said = predicted("input=in", "output=out", *args)
    for word in words:
        assert word in said.complaint
    assert len(said.complaint.splitlines()) <= 4
    assert not (tmp_path / "out" / "json").exists(), "said before anything is computed"


def test_weights_of_another_model_are_refused(
    histoseg_: Call, hovernet_run: Path, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "a.png", discs(0)[0])
    said = histoseg_("predict", f"ckpt={hovernet_run}", *CPU, "input=in", "model.network.width=16")
    assert "which do not fit HoVerNet" in said.complaint


def test_what_is_left_out_is_asked_for(histoseg_: Call, run: Path) -> None:
    assert "which checkpoint?" in histoseg_("predict", "input=in").complaint
    complaint = histoseg_("predict", f"ckpt={run}", "trust=[mypkg]").complaint
    assert "Missing mandatory value: input" in complaint


def test_a_type_info_names_and_colours_every_result(
    histoseg_: Call, hovernet_run: Path, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "tissue.png", synthetic_tissue(100, 150, seed=2)["image"])
    names, colours = ["uno", "due", "tre", "quattro"], [[1, 2, 3], [9, 0, 0], [0, 9, 0], [0, 0, 9]]
    write_type_info(tmp_path, names, colours)
    args = ["predict", f"ckpt={hovernet_run}", "input=in", *CPU]
    said = histoseg_(*args, "output=out", "type_info=type_info.json")
    assert said.code == 0, said.err
    out = tmp_path / "out"
    given = (tmp_path / "type_info.json").read_bytes()
    assert (out / "type_info.json").read_bytes() == given, "written beside every prediction"
    features = orjson.loads((out / "geojson" / "tissue.geojson").read_bytes())["features"]
    kinds = [f["properties"].get("classification") for f in features]
    shown = {(kind["name"], tuple(kind["color"])) for kind in kinds if kind}
    assert shown
    assert shown <= {(name, tuple(rgb)) for name, rgb in zip(names, colours, strict=True)}
    with (out / "table" / "tissue.csv").open() as f:
        assert {row["class"] for row in csv.DictReader(f)} <= {"", *names}
    plain = histoseg_(*args, "output=plain")
    assert plain.code == 0
    assert read_type_info(tmp_path / "plain" / "type_info.json").classes[0] == "neoplastic"
    overlays = [read_image(tmp_path / f / "overlay" / "tissue.png") for f in ("out", "plain")]
    assert (overlays[0][:100] != overlays[1][:100]).any()
    write_type_info(tmp_path, names[:3], colours[:3])
    wrong = histoseg_(*args, "output=wrong", "type_info=type_info.json")
    assert "names 3 classes (uno, due, tre), but the model has 4" in wrong.complaint
    assert not (tmp_path / "wrong").exists()
