"""Runs of CycleGAN and pix2pix, end to end, small enough for a CPU."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, open_dict

from conftest import ROOT, Compose, tiny_overrides
from histoseg.engine import checkpoint
from histoseg.engine.train import train
from histoseg.slides import read_image
from smoke.test_training import same, wait_for, weights
from smoke.test_translators import SMALL

LAST = Path("fit") / "checkpoints" / "last.ckpt"
UNPAIRED = "data.augment.paired=false"


def small(composed: Compose, model: str, *more: str) -> DictConfig:
    return composed("train", f"model={model}", *SMALL, *more, tiny=model)


def test_a_run_leaves_panels_and_scores_of_both_directions(composed: Compose) -> None:
    cfg = small(composed, "cyclegan", UNPAIRED)
    best = train(cfg)
    run = Path(cfg.paths.run)
    with (run / "metrics.csv").open(newline="") as f:
        assert best == pytest.approx(
            float([row["val/cycle"] for row in csv.DictReader(f) if row["val/cycle"]][-1])
        )
    sheet = read_image(run / "fit" / "panels" / "epoch_000.png")
    assert sheet.shape[1] > 8 * 32, "eight pictures in a row"
    scores = json.loads((run / "test" / "metrics.json").read_text())
    assert {f"test/drift_dab/{stain}" for stain in ("ihc", "hematoxylin")} <= set(scores)
    assert len(list((run / "test" / "worst").glob("*.png"))) == 2
    with (run / "test" / "images.csv").open(newline="") as f:
        assert len(list(csv.DictReader(f))) == 2


def test_pairs_are_scored_in_both_directions(composed: Compose) -> None:
    names = "[${model.inputs.0},${model.outputs.0}]"
    cfg = small(
        composed, "cyclegan", "model/metrics=[cycle,translation]",
        f"model.metrics.stains.stains={names}",
    )  # fmt: skip
    train(cfg)
    scores = json.loads((Path(cfg.paths.run) / "test" / "metrics.json").read_text())
    assert {"test/ssim/ihc", "test/ssim/hematoxylin"} <= set(scores)


def test_pix2pix_learns_a_tile_by_heart(composed: Compose) -> None:
    cfg = small(
        composed, "pix2pix", "debug=overfit", "trainer.max_epochs=30", "trainer.overfit_batches=1",
        "data/augment=none", "model.optimizer.lr=0.005", "data.batch_size=2",
        "data.splits.train.length=2",
    )  # fmt: skip
    train(cfg)
    with (Path(cfg.paths.run) / "metrics.csv").open(newline="") as f:
        curve = [float(r["train/l1"]) for r in csv.DictReader(f) if r["train/l1"]]
    assert curve[-1] < 0.5 * curve[0]


def test_cycles_of_two_tiles_can_be_learned_by_heart(composed: Compose) -> None:
    cfg = small(
        composed, "cyclegan", "debug=overfit", "trainer.max_epochs=30", "trainer.overfit_batches=1",
        "data/augment=none", "model.optimizer.lr=0.005", "data.batch_size=2",
        "data.splits.train.length=2",
    )  # fmt: skip
    train(cfg)
    with (Path(cfg.paths.run) / "metrics.csv").open(newline="") as f:
        curve = [float(r["train/cycle"]) for r in csv.DictReader(f) if r["train/cycle"]]
    assert curve[-1] < 0.5 * curve[0]


def pools(checkpoint_: dict[str, Any]) -> list[torch.Tensor]:
    return [p for rank in checkpoint_["pools"] for kept in rank.values() for p in kept]


def test_a_run_that_is_killed_resumes_with_its_pools(tmp_path: Path, composed: Compose) -> None:
    epochs = ["trainer.max_epochs=3", "test=false", "data.splits.train.length=8", "model.pool=3"]
    uncut = small(composed, "cyclegan", *epochs, UNPAIRED, f"paths.run={tmp_path / 'uncut'}")
    train(uncut)
    run = tmp_path / "cut"
    args = ["model=cyclegan", *SMALL, *tiny_overrides("cyclegan"), *epochs, UNPAIRED]
    command = [sys.executable, str(ROOT / "train.py"), *args, f"hydra.run.dir={run}"]
    process = subprocess.Popen(command)
    wait_for(run / LAST, process)
    process.kill()
    process.wait()
    assert not (run / "fit" / "done.json").exists(), "killed in the middle, not after the end"
    resume = [sys.executable, str(ROOT / "train.py"), f"resume={run}"]
    done = subprocess.run(resume, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "goes on from" in done.stdout + done.stderr
    assert same(weights(run / LAST), weights(tmp_path / "uncut" / LAST))
    a, b = (checkpoint.read(p / LAST) for p in (run, tmp_path / "uncut"))
    assert a["epoch"] == b["epoch"] == 2
    assert a["lr_schedulers"] == b["lr_schedulers"]
    assert str(a["optimizer_states"]) == str(b["optimizer_states"])
    assert len(pools(a)) == 6
    assert all(map(torch.equal, pools(a), pools(b)))


def test_two_ranks_end_with_one_set_of_weights_and_their_own_pools(
    tmp_path: Path, composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")]))
    cfg = small(
        composed, "cyclegan", UNPAIRED, "trainer=ddp_cpu", "model.pool=2", "trainer.max_epochs=2",
        "data.splits.train.length=8", "trainer.gradient_clip_val=1.0",
    )  # fmt: skip
    with open_dict(cfg):
        cfg.callbacks.ranks = {"_target_": "weight_dump.WeightDump", "folder": str(tmp_path)}
    train(cfg)
    a, b = (torch.load(tmp_path / f"rank{r}.pt", weights_only=True) for r in (0, 1))
    assert same(a, b)
    stored = checkpoint.read(Path(cfg.paths.run) / LAST)["pools"]
    assert [{name: len(kept) for name, kept in own.items()} for own in stored] == [
        {"a": 2, "b": 2}, {"a": 2, "b": 2},
    ]  # fmt: skip
    assert not torch.equal(stored[0]["a"][0], stored[1]["a"][0])
