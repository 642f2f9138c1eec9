"""Runs, end to end, small enough for a CPU."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, open_dict

from conftest import ROOT, Compose, tiny_overrides
from histoseg.engine import checkpoint
from histoseg.engine.phases import phases
from histoseg.engine.train import train

SMALL = [
    "data=synthetic",
    "data.splits.train.length=8",
    "data.splits.val.length=2",
    "data.splits.test.length=2",
    "data.num_workers=0",
    "trainer.max_epochs=1",
    "trainer.enable_progress_bar=false",
    "trainer.enable_model_summary=false",
    "trainer.num_sanity_val_steps=0",
]


TWO_PHASES = ["phases.decoders.data.batch_size=4", "phases.all.data.batch_size=4"]


def small(composed: Compose, *more: str, one_phase: bool = False) -> DictConfig:
    """A run of HoVer-Net that takes seconds, in its two phases or in one."""
    steps = ["~phases", "data.batch_size=4"] if one_phase else TWO_PHASES
    return composed("train", "model=hovernet", *SMALL, *steps, *more, tiny="hovernet")


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(path)["state_dict"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def losses(run: Path) -> list[float]:
    with (run / "metrics.csv").open(newline="") as f:
        return [float(r["train/loss"]) for r in csv.DictReader(f) if r["train/loss"]]


def test_a_run_leaves_everything_a_stranger_needs(composed: Compose) -> None:
    cfg = small(composed)
    best = train(cfg)
    run = Path(cfg.paths.run)
    assert best is not None
    for name in (
        "best.ckpt", "config.yaml", "environment.json", "metrics.csv", "tensorboard/all",
        "test/metrics.json", "test/images.csv", "decoders/done.json",
        "all/checkpoints/last.ckpt", "all/panels/epoch_000.png",
    ):  # fmt: skip
        assert (run / name).exists(), name
    facts = json.loads((run / "environment.json").read_text())
    assert facts["packages"]["torch"] == torch.__version__.split("+")[0]
    with (run / "metrics.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert {row["phase"] for row in rows} == {"decoders", "all"}
    scores = json.loads((run / "test" / "metrics.json").read_text())
    assert 0 <= scores["test/dice"] <= 1


def test_phase_one_leaves_the_encoder_alone_and_hands_its_weights_on(composed: Compose) -> None:
    still = "+phases.all.model.optimizer.lr=0.0"  # so that phase 2 ends with what it was given
    cfg = small(composed, "test=false", still)
    train(cfg)
    run = Path(cfg.paths.run)
    pl.seed_everything(cfg.seed, verbose=False)
    fresh = dict(checkpoint.build(next(phases(cfg))).named_parameters())
    first = weights(run / "decoders" / "checkpoints" / "last.ckpt")
    last = weights(run / "all" / "checkpoints" / "last.ckpt")
    moved = {name for name, value in fresh.items() if not torch.equal(value, first[name])}
    assert moved == {name for name in fresh if not name.startswith("network.encoder.")}
    assert all(torch.equal(first[name], last[name]) for name in fresh)


def test_the_same_seed_gives_the_same_curve_whatever_the_workers(composed: Compose) -> None:
    def curve(name: str, *more: str) -> list[float]:
        exact = ["test=false", "trainer.deterministic=true", "trainer.max_epochs=2"]
        cfg = small(composed, *exact, *more, one_phase=True)
        cfg.paths.run += name
        train(cfg)
        return losses(Path(cfg.paths.run))

    first = curve("1")
    assert len(first) == 2
    assert curve("2", "data.num_workers=2") == first
    assert curve("3", "seed=1") != first


def test_a_finished_run_is_not_trained_again(composed: Compose) -> None:
    cfg = small(composed, "test=false")
    first = train(cfg)
    stamp = (Path(cfg.paths.run) / "all" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert train(cfg) == first
    assert (Path(cfg.paths.run) / "all" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    "more",
    [
        ["callbacks=ema", "trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=1.0"],
        ["trainer.precision=bf16-mixed", "model.freeze_encoder=reference"],
        ["model.classes=[]", "model/scheduler=plateau", "model/optimizer=sgd"],
        ["model.network.encoder=resnet18", "model/scheduler=cosine", "model/optimizer=adamw"],
        [
            "data/sampling=classes_and_tissues",
            "data/augment=macenko",
            "model/normalise=macenko",
            "model/losses=unified_focal",
            "model.freeze_encoder=statistics",
            "callbacks=ema",
            "model.encoder_lr=0.1",
            "model.decay_norms=false",
            "model/optimizer=adamw",
        ],
    ],
    ids=lambda more: more[0],
)
def test_options_train(more: list[str], composed: Compose) -> None:
    cfg = small(composed, *more, one_phase=True)
    assert train(cfg) is not None
    assert (Path(cfg.paths.run) / "best.ckpt").is_file()


def test_two_tiles_can_be_learned_by_heart(composed: Compose) -> None:
    cfg = small(
        composed, "debug=overfit", "every_phase.trainer.max_epochs=15",
        "every_phase.trainer.overfit_batches=1",
        "data/augment=none", "model.optimizer.lr=0.003",
        "data.batch_size=2", "data.splits.train.length=2", one_phase=True,
    )  # fmt: skip
    train(cfg)
    curve = losses(Path(cfg.paths.run))
    assert curve[-1] < 0.5 * curve[0]


def command(run: Path, *more: str) -> list[str]:
    tiny = [*tiny_overrides("hovernet"), *SMALL, *TWO_PHASES]
    return [
        sys.executable,
        str(ROOT / "train.py"),
        "model=hovernet",
        *tiny,
        *more,
        f"hydra.run.dir={run}",
    ]


def wait_for(path: Path, process: "subprocess.Popen[bytes]", seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"ended before {path} was there"
        assert time.monotonic() < end, f"no {path} after {seconds} s"
        time.sleep(0.05)


@pytest.mark.parametrize("phase", [pytest.param("decoders", marks=pytest.mark.slow), "all"])
def test_a_run_killed_in_either_phase_resumes_as_if_it_had_not_been(
    phase: str, tmp_path: Path, composed: Compose
) -> None:
    epochs = ["trainer.max_epochs=3", "test=false", "data.splits.train.length=16"]
    uncut = small(composed, *epochs, f"paths.run={tmp_path / 'uncut'}")
    train(uncut)
    run = tmp_path / "cut"
    process = subprocess.Popen(command(run, *epochs))
    wait_for(run / phase / "checkpoints" / "last.ckpt", process)
    process.kill()
    process.wait()
    assert not (run / "all" / "done.json").exists(), "killed in the middle, not after the end"
    resume = [sys.executable, str(ROOT / "train.py"), f"resume={run}"]
    done = subprocess.run(resume, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "goes on from" in done.stdout + done.stderr
    for name in ("decoders", "all"):
        last = Path(name) / "checkpoints" / "last.ckpt"
        assert same(weights(run / last), weights(tmp_path / "uncut" / last)), name
        a, b = (checkpoint.read(p / last) for p in (run, tmp_path / "uncut"))
        assert a["epoch"] == b["epoch"] == 2
        assert a["lr_schedulers"] == b["lr_schedulers"]
        assert str(a["optimizer_states"]) == str(b["optimizer_states"])


def test_two_ranks_end_with_one_set_of_weights(
    tmp_path: Path, composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    # where the ranks find the callback, and this checkout rather than an installed one
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")]))
    cfg = small(composed, "trainer=ddp_cpu", one_phase=True)
    with open_dict(cfg):
        cfg.callbacks.ranks = {"_target_": "weight_dump.WeightDump", "folder": str(tmp_path)}
    train(cfg)
    run = Path(cfg.paths.run)
    a, b = (torch.load(tmp_path / f"rank{r}.pt", weights_only=True) for r in (0, 1))
    assert same(a, b)
    assert (run / "best.ckpt").is_file()
    with (run / "test" / "images.csv").open() as f:
        assert len(f.readlines()) == 3, "each test image once, over both ranks"


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_batch(composed: Compose) -> None:
    more = ["test=false", "model.optimizer.lr=1e30", "trainer.max_epochs=3"]
    cfg = small(composed, *more, one_phase=True)
    with pytest.raises(
        ArithmeticError,
        match=r"the loss is (nan|inf).*step [1-9].*last finite loss: \d.*batch: synthetic",
    ):
        train(cfg)


def test_weights_that_diverge_in_the_last_step_do_not_replace_a_sound_checkpoint(
    composed: Compose,
) -> None:
    more = ["test=false", "data.splits.train.length=4", "trainer.max_epochs=2"]
    cfg = small(composed, *more, one_phase=True)
    train(cfg)
    last = Path(cfg.paths.run) / "fit" / "checkpoints" / "last.ckpt"
    sound = weights(last)
    again = small(composed, *more[:2], "trainer.max_epochs=9", one_phase=True)
    content = torch.load(last, weights_only=True)
    content["optimizer_states"][0]["param_groups"][0]["lr"] = 1e30
    torch.save(content, last)
    with pytest.raises(ArithmeticError, match="Checkpoints of earlier epochs are kept"):
        train(again)
    assert all(v.float().abs().max() < 1e20 for v in weights(last).values()), len(sound)
