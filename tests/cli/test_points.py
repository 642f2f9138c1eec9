"""A set of points: prepared, looked at, scored against, and refused for training."""

import csv
import json
from pathlib import Path

import pytest

from fakes import endonuke
from histoseg.slides import read_image

from .conftest import Call

QUIET = ("trainer.enable_progress_bar=false", "hydra.run.dir=scores", "data.num_workers=0")


@pytest.fixture
def data(tmp_path: Path, histoseg_: Call) -> str:
    """The fake EndoNuke, prepared."""
    endonuke.write(tmp_path / "data" / "raw" / "endonuke")
    said = histoseg_("prepare", "data=endonuke", f"paths.data={tmp_path / 'data'}")
    assert said.code == 0, said.err
    assert "CC BY 4.0" in said.out
    return f"paths.data={tmp_path / 'data'}"


def test_a_trained_model_is_scored_against_points(
    histoseg_: Call, hovernet_run: Path, tmp_path: Path, data: str
) -> None:
    led = "points.class_of={neoplastic: epithelium, epithelial: epithelium, connective: stroma}"
    ours = ("data=endonuke", f"ckpt={hovernet_run}", "data.splits.test.published=ptg1", data)
    said = histoseg_("evaluate", *ours, *QUIET, led)
    assert said.code == 0, said.err
    assert "neoplastic as epithelium" in said.out
    scores = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    names = ["f1_detection", "precision", "recall", "type_accuracy"]
    names += ["f1_stroma", "f1_epithelium", "f1_other"]
    assert set(scores) == {"skipped", *(f"test/{name}" for name in names)}
    assert scores["test/recall"] > 0.5, "it has learned to find discs"
    with (tmp_path / "scores" / "images.csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert sorted(rows) == ["1", "2"]
    assert list(rows["1"]) == ["image", "tissue", *names]
    pictures = sorted((tmp_path / "scores" / "worst").iterdir())
    assert read_image(pictures[0]).shape[1] > 2 * 400, "a tile of 100 um at the model's 0.25 um/px"


def test_a_class_that_the_points_do_not_have_is_refused(
    histoseg_: Call, hovernet_run: Path, data: str
) -> None:
    wrong = "points.class_of={connective: stromma}"
    said = histoseg_("evaluate", "data=endonuke", *QUIET, f"ckpt={hovernet_run}", data, wrong)
    assert "leads to ['stromma']" in said.complaint


def test_classes_of_weights_are_not_taken_from_the_points(histoseg_: Call, data: str) -> None:
    weights = "model.pretrained=any.tar"
    said = histoseg_("evaluate", "model=hovernet", "data=endonuke", weights, data, *QUIET)
    assert "say model.classes=[<names>] model.colours=[]" in said.complaint


def test_nothing_can_be_trained_on_points(histoseg_: Call, data: str) -> None:
    said = histoseg_("train", "model=hovernet", "data=endonuke", data)
    assert "EndoNuke gives 'image', 'place', 'points', 'tissue'" in said.complaint
    assert "histoseg evaluate scores a trained model against them" in said.complaint
    said = histoseg_("view", "model=hovernet", "data=endonuke", "split=test", data)
    assert "nothing can be trained on them" in said.complaint


def test_points_are_drawn(histoseg_: Call, tmp_path: Path, data: str) -> None:
    said = histoseg_("view", "data=endonuke", "split=test", "n=3", data)
    assert said.code == 0, said.err
    picture = read_image(tmp_path / "view.png")
    dots = (picture == (208, 2, 27)).all(axis=-1).sum()  # epithelium
    assert dots > 3 * 5 * 9
