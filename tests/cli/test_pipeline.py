"""A translator before a segmenter, and several checkpoints together, from the command line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import tiny_overrides
from fakes import endonuke
from histoseg.data.synthetic import synthetic_tissue
from histoseg.slides import read_image

from .conftest import Call, call
from .test_predict_slides import summary, write_slide

QUIET = ("accelerator=cpu", "workers=0", "tissue=none", "overlap=0")
SMALL = ("model.picture=256", "model.border=8")


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory: pytest.TempPathFactory, _mypkg: None) -> Path:
    """A run of a narrow CycleGAN that has seen a single batch."""
    folder = tmp_path_factory.mktemp("cyclegan")
    said = call(
        "train", "model=cyclegan", "data=synthetic_stains", *tiny_overrides("cyclegan"),
        "data.num_workers=0", "logger=csv", "data.splits.train.length=1", "seed=1",
        "data.splits.val.length=1", "trainer.max_epochs=1", "trainer.num_sanity_val_steps=0",
        "trainer.enable_progress_bar=false", "trainer.enable_model_summary=false", "test=false",
        "model.network.translator.gain=0.3", "hydra.run.dir=run", cwd=folder,
    )  # fmt: skip
    assert said.code == 0, said.err
    return folder / "run"


@pytest.fixture
def picture(tmp_path: Path) -> np.ndarray:
    image: np.ndarray = synthetic_tissue(80, 90, 1, stain="ihc")["image"]
    (tmp_path / "in").mkdir()
    Image.fromarray(image).save(tmp_path / "in" / "small.png")
    return image


def test_a_picture_gives_the_files_of_two_commands(
    histoseg_: Call, cyclegan: Path, hovernet_run: Path, tmp_path: Path, picture: np.ndarray
) -> None:
    for way, stain in (("a_to_b", "hematoxylin"), ("b_to_a", "ihc")):
        said = histoseg_(
            "predict", f"ckpt={cyclegan}", f"model.direction={way}", "input=in", "output=made",
            "accelerator=cpu",
        )  # fmt: skip
        assert said.code == 0, said.err
        assert len(list((tmp_path / "made" / "stains").glob(f"*_{stain}.png"))) == 1
    first, back = (
        (tmp_path / "made" / "stains" / f"small_{s}.png") for s in ("hematoxylin", "ihc")
    )
    assert np.abs(read_image(first).astype(int) - read_image(back)).max() > 10
    said = histoseg_("predict", f"ckpt={hovernet_run}", f"input={first}", "output=two", *QUIET)
    assert said.code == 0, said.err
    args = ("predict", f"pipeline=[{cyclegan},{hovernet_run}]", "input=in", "output=one", *QUIET)
    said = histoseg_(*args, "save_translated=true")
    assert said.code == 0, said.err
    two, one = (
        json.loads((tmp_path / f / "json" / n).read_text())["nuc"]
        for f, n in (("two", "small_hematoxylin.json"), ("one", "small.json"))
    )
    assert one == two
    made = read_image(tmp_path / "one" / "stains" / "small_hematoxylin.png")
    np.testing.assert_array_equal(made, read_image(first))
    assert summary(tmp_path / "one")[0]["state"] == "done"
    assert histoseg_(*args, "save_translated=true").code == 0
    assert summary(tmp_path / "one")[0]["state"] == "skipped"
    assert histoseg_(*args, "model.translate.direction=b_to_a").code == 0
    assert summary(tmp_path / "one")[0]["state"] == "done", "other pictures are translated anew"


def test_a_slide_with_shared_statistics_and_several_generators(
    histoseg_: Call, cyclegan: Path, hovernet_run: Path, tmp_path: Path, picture: np.ndarray
) -> None:
    write_slide(tmp_path / "in" / "slide.tif", np.tile(picture, (2, 3, 1)))
    said = histoseg_(
        "predict", f"pipeline=[[{cyclegan},{cyclegan}],{hovernet_run}]", "input=in/slide.tif",
        "output=out", "region=300", "model.translate.statistics=shared", *QUIET, *SMALL,
    )  # fmt: skip
    assert said.code == 0, said.err
    (row,) = summary(tmp_path / "out")
    assert row["state"] == "done"
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"geojson", "table"}
    assert not (tmp_path / "out" / "stains").exists(), "nobody asked for pictures"


def test_checkpoints_are_averaged(
    histoseg_: Call, hovernet_run: Path, tmp_path: Path, picture: np.ndarray
) -> None:
    for name, ckpt in (("one", hovernet_run), ("two", f"[{hovernet_run},{hovernet_run}]")):
        said = histoseg_("predict", f"ckpt={ckpt}", "input=in", f"output={name}", *QUIET)
        assert said.code == 0, said.err
    one, two = (
        json.loads((tmp_path / f / "json" / "small.json").read_text())["nuc"]
        for f in ("one", "two")
    )
    assert one == two


def test_it_is_scored_against_points_with_groups(
    histoseg_: Call, cyclegan: Path, hovernet_run: Path, tmp_path: Path
) -> None:
    endonuke.write(tmp_path / "data" / "raw" / "endonuke")
    place = f"paths.data={tmp_path / 'data'}"
    assert histoseg_("prepare", "data=endonuke", place).code == 0
    said = histoseg_(
        "evaluate", f"pipeline=[{cyclegan},{hovernet_run}]", "data=endonuke", place,
        "points.class_of={connective: stroma}", "points.groups={pathologists: [ptg1]}",
        "model.mpp=1", "model.translate.mpp=1", "data.num_workers=0",
        "hydra.run.dir=scores", "trainer.enable_progress_bar=false",
    )  # fmt: skip
    assert said.code == 0, said.err
    scores = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert {"test/f1_detection", "test/precision", "test/recall", "test/f1_stroma"} <= set(scores)
    with (tmp_path / "scores" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
        assert len(rows) == 5
        assert "points" not in rows[0]
    with (tmp_path / "scores" / "groups.csv").open(newline="") as file:
        groups = {row["group"]: row for row in csv.DictReader(file)}
    assert {name: row["images"] for name, row in groups.items()} == {
        "all": "5", "pathologists": "2", "ptg1": "2", "stud1": "3",
    }  # fmt: skip
    assert float(groups["all"]["recall"]) == pytest.approx(scores["test/recall"])
    assert int(groups["ptg1"]["points"]) + int(groups["stud1"]["points"]) == int(
        groups["all"]["points"]
    )


@pytest.mark.usefixtures("picture")
def test_what_cannot_be_is_said(histoseg_: Call, cyclegan: Path, hovernet_run: Path) -> None:
    said = histoseg_("predict", f"pipeline=[{cyclegan}]", "input=in")
    assert "expected [<translator>,<segmenter>]" in said.complaint
    said = histoseg_("predict", f"ckpt={cyclegan}", f"pipeline=[{cyclegan},{hovernet_run}]")
    assert "give one of them" in said.err
    said = histoseg_("predict", f"ckpt=[{cyclegan},{hovernet_run}]", "input=in")
    assert "are no trainings of one model: _target_ is histoseg.modules.CycleGAN" in said.complaint
    said = histoseg_("export", f"ckpt=[{cyclegan},{cyclegan}]", "format=cyclegan", "output=x")
    assert "this verb takes one checkpoint, and no list" in said.complaint
    both = f"pipeline=[{hovernet_run},{cyclegan}]"
    said = histoseg_("predict", both, "input=in", "output=out")
    assert "HoVerNet makes no picture" in said.complaint
