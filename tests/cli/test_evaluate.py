"""``histoseg evaluate`` and ``histoseg view``."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from fakes import folder as folder_fake
from histoseg.slides import read_image

from .conftest import MINE, Call

QUIET = ("trainer.enable_progress_bar=false", "hydra.run.dir=scores")


def metrics(folder: Path) -> dict[str, float]:
    scores: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    return scores


def test_a_checkpoint_is_scored_on_the_test_split_of_its_own_data(
    histoseg_: Call, run: Path, tmp_path: Path
) -> None:
    said = histoseg_("evaluate", f"ckpt={run}", "trust=[mypkg]", *QUIET)
    assert said.code == 0, said.err
    scores = tmp_path / "scores"
    assert metrics(scores) == metrics(run / "test"), "the same weights, the same images"
    with (scores / "images.csv").open(newline="") as f:
        names = [row["image"] for row in csv.DictReader(f)]
    assert names == ["discs-200", "discs-201", "discs-202"]
    assert len(list((scores / "worst").iterdir())) == 3
    assert (scores / "config.yaml").is_file()
    assert (scores / "environment.json").is_file()
    assert "image mean" in said.out
    assert "bootstrap draws of 3 images" in said.out
    written = {path.name for path in scores.iterdir()}
    assert {"scores.json", "scores.csv", "scores.png", "confusion.csv"} <= written
    report = json.loads((scores / "scores.json").read_text())
    mean = report["overall"]["image mean"]["pq"]
    assert mean["value"] == pytest.approx(metrics(scores)["test/pq"], abs=1e-6)
    assert (mean["n"], mean["unit"]) == (3, "images")
    assert metrics(scores)["skipped"] == 0


def test_settings_of_the_stored_data_and_other_data_can_be_chosen(
    histoseg_: Call, run: Path, tmp_path: Path
) -> None:
    more = ["data.splits.test.length=1", "data.batch_size=2", "worst=0"]
    assert histoseg_("evaluate", f"ckpt={run}", "trust=[mypkg]", *QUIET, *more).code == 0
    with (tmp_path / "scores" / "images.csv").open() as f:
        assert len(f.readlines()) == 2
    assert not (tmp_path / "scores" / "worst").exists()
    other = ["data=synthetic", "data.splits.test.length=1", "data.tile=64", "data.num_workers=0"]
    said = histoseg_("evaluate", f"ckpt={run}", "trust=[mypkg]", *QUIET, *other)
    assert said.code == 0, said.err
    assert metrics(tmp_path / "scores")["test/pq"] < 0.9, "other images, another score"


def test_hovernet_is_scored_class_by_class(
    histoseg_: Call, hovernet_run: Path, tmp_path: Path
) -> None:
    said = histoseg_("evaluate", f"ckpt={hovernet_run}", "logger=csv", *QUIET)
    assert said.code == 0, said.err
    scores = metrics(tmp_path / "scores")
    assert {"test/pq", "test/pq_neoplastic", "test/mpq_tissue_mean"} <= set(scores)
    assert all(0 <= value <= 1 for value in scores.values() if not np.isnan(value))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["ckpt=nowhere"], ["no checkpoint and no folder nowhere"]),
        (["~data.splits.test"], ["no split 'test'"]),
        (["data=pannuke"], ["PanNuke", "paths.data"]),
        (["data.tile=32"], ["takes tiles of 48 px"]),
        (["trainer=ddp_cpu"], ["evaluation runs in one process"]),
        (["trainer=cpu", "trainer.accelerator=tpu"], ["trainer"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_mistake_is_answered_in_one_paragraph(
    args: list[str], words: list[str], histoseg_: Call, run: Path
) -> None:
    said = histoseg_("evaluate", f"ckpt={run}", "trust=[mypkg]", *QUIET, *args)
    for word in words:
        assert word in said.complaint
    assert len(said.complaint.splitlines()) <= 3


def test_a_sheet_of_samples_is_drawn(histoseg_: Call, tmp_path: Path) -> None:
    said = histoseg_("view", *MINE, "data=discs", "n=3", "output=sheets/a.png", "split=val")
    assert said.code == 0, said.err
    assert "sheets/a.png" in said.out
    height, width, _ = read_image(tmp_path / "sheets" / "a.png").shape
    assert width > 3 * 48
    assert height >= 48
    assert [p.name for p in tmp_path.iterdir()] == ["sheets"], "and nothing else is left"


def test_the_targets_of_a_model_are_drawn_beside_the_samples(
    histoseg_: Call, tmp_path: Path
) -> None:
    small = ["model.network.width=8", "model.network.depths=[1,1,1,1]"]
    tiles = ["model.tile=128", "data.tile=128", "data/augment=none"]
    args = ["data=synthetic", "model=hovernet", "n=2", *small, *tiles]
    assert histoseg_("view", "data=synthetic", "n=2", *tiles[1:], "output=without.png").code == 0
    assert histoseg_("view", *args, "output=with.png", "data.colours=[]").code == 0
    widths = [read_image(tmp_path / f"{name}.png").shape[1] for name in ("without", "with")]
    assert widths[1] > widths[0], "a row is a sample with its maps"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], ["You must specify 'data'", "synthetic"]),
        (["data=discs", "n=0"], ["n=0 of the 4 images of train: nothing to draw"]),
        (["data=discs", "split=trian"], ["no split 'trian'", "train, val, test"]),
        (["data=discs", "model=hovernet"], ["takes tiles of 256 px"]),
        (["data=discs", "output=taken/a.png"], ["taken", "cannot write it"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_in_view_is_answered_in_one_paragraph(
    args: list[str], words: list[str], histoseg_: Call, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    complaint = histoseg_("view", *MINE, *args).complaint
    for word in words:
        assert word in complaint


def test_an_unreadable_image_is_left_out_said_and_ends_with_an_error(
    histoseg_: Call, run: Path, tmp_path: Path
) -> None:
    root = folder_fake.write(tmp_path / "own")
    names = sorted(path.stem for path in (root / "images").iterdir())
    (root / "images" / f"{names[1]}.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    data = [
        *("data=folder", "data.tile=48", "data.splits.test.split=null", "data.num_workers=1"),
        *(f"data.dataset.{kind}={root / kind}" for kind in ("images", "instances")),
    ]
    call = ("evaluate", f"ckpt={run}", "trust=[mypkg]", *QUIET, *data)
    said = histoseg_(*call, "data.dataset.on_error=skip")
    assert "1 test images were left out" in said.complaint
    out = tmp_path / "scores"
    assert metrics(out)["skipped"] == 1
    with (out / "images.csv").open(newline="") as f:
        assert [row["image"] for row in csv.DictReader(f)] == [names[0], *names[2:]]
    with (out / "skipped.csv").open(newline="") as f:
        (row,) = csv.DictReader(f)
    assert row["image"] == names[1]
    assert f"{names[1]}.png" in row["why"]
    assert "NO score" in said.out
    assert names[1] in histoseg_(*call).complaint, "on_error=raise stops at it"
