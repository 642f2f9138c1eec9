"""Runs of the translators, end to end, small enough for a CPU."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, open_dict

from conftest import ROOT, Compose, tiny_overrides
from fakes import deepliif_strips as strips
from histoseg.engine import checkpoint
from histoseg.engine.evaluate import evaluate
from histoseg.engine.train import train
from histoseg.errors import DatasetNotFoundError
from smoke.test_training import losses, same, wait_for, weights

MODELS = ["deepliif", "ihc_generator"]
SMALL = [
    "data=synthetic_stains",
    "data.splits.train.length=4",
    "data.splits.val.length=2",
    "data.splits.test.length=2",
    "data.num_workers=0",
    "trainer.max_epochs=1",
    "trainer.enable_progress_bar=false",
    "trainer.enable_model_summary=false",
    "trainer.num_sanity_val_steps=0",
    "trainer.log_every_n_steps=1",
]


def small(composed: Compose, model: str, *more: str) -> DictConfig:
    return composed("train", f"model={model}", *SMALL, *more, tiny=model)


def test_a_missing_test_split_is_said_before_the_training(
    tmp_path: Path, composed: Compose
) -> None:
    root = strips.write(tmp_path / "strips")
    (root / "test" / "d.png").unlink()
    data = ["data=deepliif_strips", f"data.dataset.root={root}"]
    cfg = composed("train", "model=deepliif", *data, "data.num_workers=0", tiny="deepliif")
    with pytest.raises(DatasetNotFoundError, match=r"test holds no strip"):
        train(cfg)
    assert not Path(cfg.paths.run).exists()


@pytest.mark.parametrize("model", MODELS)
def test_a_run_leaves_pictures_and_scores_of_each_stain(model: str, composed: Compose) -> None:
    cfg = small(composed, model)
    best = train(cfg)
    run = Path(cfg.paths.run)
    assert best == pytest.approx(float(_last(run / "metrics.csv", "val/l1")))
    assert (run / "fit" / "panels" / "epoch_000.png").is_file()
    assert len(list((run / "test" / "worst").glob("*.png"))) == (1 if model == "deepliif" else 2)
    scores = json.loads((run / "test" / "metrics.json").read_text())
    table = run / "test" / ("stains.csv" if model == "deepliif" else "images.csv")
    with table.open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 2
    for stain in cfg.model.outputs:
        mean = sum(float(row[f"ssim/{stain}"]) for row in rows) / 2
        assert scores[f"test/ssim/{stain}"] == pytest.approx(mean, abs=1e-6)
    if model == "deepliif":
        assert {"test/pq", "test/rmse_total", "test/seg_dice"} <= set(scores)
        assert (run / "test" / "images.csv").is_file()
    assert train(cfg) == best  # again, where all is done
    assert not (run / "best.part").exists()
    args = [f"model={model}", *SMALL[:5], f"ckpt={run}", f"paths.run={run / 'again'}"]
    again = composed("evaluate", *args, tiny=model)
    found = evaluate(again)
    assert {k: v for k, v in found.items() if v == v} == {
        k: v for k, v in scores.items() if v is not None
    }


def _last(path: Path, column: str) -> str:
    with path.open(newline="") as f:
        return [row[column] for row in csv.DictReader(f) if row[column]][-1]


def test_settings_of_steps_reach_both_sides(composed: Compose) -> None:
    cfg = small(
        composed, "ihc_generator", "trainer.max_epochs=9", "trainer.max_steps=3", "test=false",
        "trainer.gradient_clip_val=1.0", "callbacks=ema", "trainer.precision=bf16-mixed",
        "data.splits.train.length=3",
    )  # fmt: skip
    train(cfg)
    last = checkpoint.read(Path(cfg.paths.run) / "fit" / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 6, "three of each side"
    assert len(last["optimizer_states"]) == len(last["lr_schedulers"]) == 2
    cfg = small(composed, "deepliif", "trainer.accumulate_grad_batches=2", "test=false")
    cfg.paths.run += "-2"
    train(cfg)
    last = checkpoint.read(Path(cfg.paths.run) / "fit" / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 4, "four batches are two steps of each side"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_two_tiles_can_be_learned_by_heart(model: str, composed: Compose) -> None:
    cfg = small(
        composed, model, "debug=overfit", "trainer.max_epochs=40", "trainer.overfit_batches=1",
        "data/augment=none", "model.optimizer.lr=0.005", "data.batch_size=2",
        "data.splits.train.length=2",
    )  # fmt: skip
    train(cfg)
    with (Path(cfg.paths.run) / "metrics.csv").open(newline="") as f:
        curve = [float(r["train/l1"]) for r in csv.DictReader(f) if r["train/l1"]]
    assert curve[-1] < 0.4 * curve[0]


@pytest.mark.slow
def test_a_run_that_is_killed_resumes_as_if_it_had_not_been(
    tmp_path: Path, composed: Compose
) -> None:
    epochs = ["trainer.max_epochs=3", "test=false", "data.splits.train.length=8"]
    uncut = small(composed, "deepliif", *epochs, f"paths.run={tmp_path / 'uncut'}")
    train(uncut)
    run = tmp_path / "cut"
    args = ["model=deepliif", *SMALL, *tiny_overrides("deepliif"), *epochs, f"hydra.run.dir={run}"]
    process = subprocess.Popen([sys.executable, str(ROOT / "train.py"), *args])
    wait_for(run / "fit" / "checkpoints" / "last.ckpt", process)
    process.kill()
    process.wait()
    assert not (run / "fit" / "done.json").exists(), "killed in the middle, not after the end"
    resume = [sys.executable, str(ROOT / "train.py"), f"resume={run}"]
    done = subprocess.run(resume, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "goes on from" in done.stdout + done.stderr
    last = Path("fit") / "checkpoints" / "last.ckpt"
    assert same(weights(run / last), weights(tmp_path / "uncut" / last))
    a, b = (checkpoint.read(p / last) for p in (run, tmp_path / "uncut"))
    assert a["epoch"] == b["epoch"] == 2
    assert a["global_step"] == b["global_step"] == 48
    assert a["lr_schedulers"] == b["lr_schedulers"]
    assert str(a["optimizer_states"]) == str(b["optimizer_states"])


@pytest.mark.slow
def test_two_ranks_end_with_one_set_of_weights(
    tmp_path: Path, composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")]))
    cfg = small(composed, "deepliif", "trainer=ddp_cpu", "trainer.accumulate_grad_batches=2")
    with open_dict(cfg):
        cfg.callbacks.ranks = {"_target_": "weight_dump.WeightDump", "folder": str(tmp_path)}
    train(cfg)
    a, b = (torch.load(tmp_path / f"rank{r}.pt", weights_only=True) for r in (0, 1))
    learned = {name for name in a if "running" not in name and "tracked" not in name}
    assert same({n: a[n] for n in learned}, {n: b[n] for n in learned})
    with (Path(cfg.paths.run) / "test" / "stains.csv").open() as f:
        assert len(f.readlines()) == 3, "each test image once, over both ranks"


def test_a_seed_gives_one_curve(composed: Compose) -> None:
    def curve(name: str, *more: str) -> list[float]:
        cfg = small(composed, "ihc_generator", "test=false", "trainer.max_epochs=2", *more)
        cfg.paths.run += name
        train(cfg)
        return losses(Path(cfg.paths.run))

    first = curve("1")
    assert curve("2") == first
    assert curve("3", "seed=1") != first
