"""Training from the command line, with a model and data that are not ours."""

import csv
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from histoseg.engine import checkpoint
from histoseg.errors import CheckpointError

from .conftest import MINE, Call


@pytest.fixture
def _signals() -> Iterator[None]:
    """Lightning leaves its own handlers behind when it is interrupted."""
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_users_own_model_and_data_train_without_touching_ours(run: Path) -> None:
    for name in ("best.ckpt", "config.yaml", "environment.json", "train.log", "test/metrics.json"):
        assert (run / name).is_file(), name
    scores = json.loads((run / "test" / "metrics.json").read_text())
    assert scores["test/pq"] > 0.9, "the discs are found"


def test_a_checkpoint_that_names_a_users_code_is_trusted_only_when_told(run: Path) -> None:
    with pytest.raises(CheckpointError, match=r"mypkg\.\w+.*trust=\[mypkg\]"):
        checkpoint.stored_config(run / "best.ckpt")
    assert checkpoint.stored_config(run / "best.ckpt", trust=("mypkg",)).model.tile == 48


def test_what_is_not_there_is_not_announced(histoseg_: Call) -> None:
    said = histoseg_("train", *MINE, "experiment=quick", "test=false", "hydra.run.dir=run")
    assert said.code == 0
    assert "best.ckpt" in said.out
    assert "test/metrics.json" not in said.out
    assert "tensorboard" not in said.out


@pytest.mark.parametrize("choice", ["smoke", "overfit", "profile"])
def test_each_way_of_debugging_runs(choice: str, histoseg_: Call, tmp_path: Path) -> None:
    said = histoseg_("train", *MINE, "experiment=quick", f"debug={choice}", "hydra.run.dir=run")
    assert said.code == 0, said.err
    assert (tmp_path / "run" / "best.ckpt").is_file()
    assert (tmp_path / "run" / "test").is_dir() == (choice == "smoke")
    if choice == "profile":
        report = (tmp_path / "run" / "fit" / "fit-profile.txt").read_text()
        assert "run_training_batch" in report, "where the time went"


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stopped_run_fails_says_so_and_goes_on(
    name: str, histoseg_: Call, tmp_path: Path
) -> None:
    stop = ["+callbacks.stop._target_=mypkg.Signal", f"+callbacks.stop.name={name}"]
    epochs = ["+callbacks.stop.epoch=1", "trainer.max_epochs=3", "hydra.run.dir=run"]
    said = histoseg_("train", *MINE, "experiment=quick", *stop, *epochs)
    assert said.code == 130
    run = tmp_path / "run"
    assert said.err.splitlines()[-1] == f"histoseg: stopped; resume={run} goes on"
    assert not (run / "fit" / "done.json").exists()
    again = histoseg_("train", *MINE, "resume=run", "callbacks.stop.epoch=9")
    assert again.code == 0, again.err
    assert "goes on from" in again.out
    assert (run / "best.ckpt").is_file()
    with (run / "metrics.csv").open(newline="") as f:
        epochs_of = [int(row["epoch"]) for row in csv.DictReader(f) if row["train/loss"]]
    assert epochs_of == [0, 1, 2], "the curve is whole"


def test_processes_started_from_outside_must_share_one_folder(
    histoseg_: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    runs = f"paths.runs={tmp_path / 'runs'}"
    said = histoseg_("train", *MINE, "experiment=quick", runs)
    assert "2 processes" in said.complaint
    assert "hydra.run.dir=<folder>" in said.complaint
