"""``histoseg predict`` by several processes: the files of one, however they are started."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from fakes.discs import discs

from .conftest import Call

ARGS = ("accelerator=cpu", "trust=[mypkg]", "workers=0", "region=48", "tissue=none")


def files(output: Path) -> dict[str, str]:
    return {
        path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in ("geojson", "json", "table", "overlay", "mat")
        for path in sorted((output / kind).iterdir())
    }


def states(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return [row["state"] for row in csv.DictReader(file)]


@pytest.fixture
def one(histoseg_: Call, run: Path, tmp_path: Path) -> dict[str, str]:
    """Results of one process: of a slide, and of two pictures that are no larger than a region."""
    (tmp_path / "in").mkdir()
    options = {"resolution": (4e4, 4e4), "resolutionunit": "CENTIMETER", "photometric": "rgb"}
    image = np.tile(discs(0, 70, 90)[0], (3, 3, 1))
    tifffile.imwrite(tmp_path / "in" / "slide.tif", image, tile=(64, 64), **options)
    for seed in (1, 2):
        tifffile.imwrite(tmp_path / "in" / f"{seed}.tif", discs(seed, 48, 48)[0], **options)
    said = histoseg_("predict", f"ckpt={run}", "input=in", "output=one", *ARGS)
    assert said.code == 0, said.err
    found = files(tmp_path / "one")
    assert len(found) == 3 * 4 + 2
    return found


def test_two_processes_of_one_command(
    histoseg_: Call, run: Path, one: dict[str, str], tmp_path: Path
) -> None:
    args = ("predict", f"ckpt={run}", "input=in", "output=two", *ARGS, "devices=2")
    said = histoseg_(*args)
    assert said.code == 0, said.err
    assert files(tmp_path / "two") == one
    assert states(tmp_path / "two" / "summary.csv") == ["done"] * 3
    assert not list((tmp_path / "two").glob("*rank*"))


@pytest.mark.usefixtures("jobs")
def test_jobs_of_hydra_side_by_side(
    histoseg_: Call, run: Path, one: dict[str, str], tmp_path: Path
) -> None:
    said = histoseg_(
        *("predict", "-m", f"ckpt={run}", "input=in", "output=two", *ARGS),
        *("rank=0,1", "ranks=2", "hydra/launcher=joblib", f"hydra.sweep.dir={tmp_path / 'jobs'}"),
    )
    assert said.code == 0, said.err
    assert files(tmp_path / "two") == one
    rows = [states(tmp_path / "two" / f"summary.rank{rank}.csv") for rank in (0, 1)]
    assert ["done" in pair for pair in zip(*rows, strict=True)] == [True] * 3


def test_ranks_that_a_launcher_started(
    histoseg_: Call,
    run: Path,
    one: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("LOCAL_RANK", rank)
        said = histoseg_("predict", f"ckpt={run}", "input=in", "output=two", *ARGS, "devices=2")
        assert said.code == 0, said.err
    assert files(tmp_path / "two") == one
    said = histoseg_(
        *("predict", f"ckpt={run}", "input=in", "output=three", *ARGS, "ranks=1", "rank=0")
    )
    assert said.code == 0, said.err
    assert files(tmp_path / "three") == one, "what is given counts before what is found"


def test_a_rank_that_there_is_not_is_refused(histoseg_: Call, run: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", discs(0)[0], photometric="rgb")
    said = histoseg_("predict", f"ckpt={run}", "input=in", "trust=[mypkg]", "rank=2", "ranks=2")
    assert "rank=2: expected 0 to 1, as ranks=2" in said.complaint
