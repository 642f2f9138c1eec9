"""Runs of CycleGAN and pix2pix, end to end, small enough for a CPU."""

import csv
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
import torch.distributed as dist
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, open_dict

from conftest import ROOT, Compose, tiny_overrides
from histoseg.engine import checkpoint
from histoseg.engine.ranks import _free_port
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


def test_pairs_are_scored_in_both_directions_and_by_tissue(composed: Compose) -> None:
    cfg = small(
        composed, "cyclegan", "model/metrics=[cycle,translation]", "data.splits.test.length=5"
    )
    train(cfg)
    test = Path(cfg.paths.run) / "test"
    scores = json.loads((test / "metrics.json").read_text())
    with (test / "images.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    with (test / "scores.csv").open(newline="") as f:
        means = {(r["of"], r["name"]): r for r in csv.DictReader(f)}
    assert not (test / "confusion.csv").exists()
    for name in ("ssim/ihc", "psnr/hematoxylin", "ssim"):
        for tissue in {"", *(row["tissue"] for row in rows)}:
            own = [float(r[name]) for r in rows if tissue in ("", r["tissue"])]
            assert float(means[tissue, name]["value"]) == pytest.approx(sum(own) / len(own))
            assert int(means[tissue, name]["n"]) == len(own)
        assert scores[f"test/{name}"] == pytest.approx(float(means["", name]["value"]), abs=1e-6)
    assert float(means["", "ssim"]["low"]) < float(means["", "ssim"]["value"])


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


@pytest.mark.slow
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


def curve(run: Path) -> list[dict[str, float]]:
    """Losses of training and validation of each epoch, and scores of the validation."""
    found: dict[int, dict[str, float]] = {}
    with (run / "metrics.csv").open(newline="") as f:
        for row in csv.DictReader(f):
            for name, value in row.items():
                if value and name.startswith(("train/", "val/")):
                    found.setdefault(int(row["epoch"]), {})[name] = float(value)
    return [found[epoch] for epoch in sorted(found)]


ALIKE = {
    "cyclegan": ["model.pool=12", UNPAIRED],  # pools that do not get full
    "pix2pix": [
        "model.network.norm=instance", "model.network.dropout=0",
        "model.discriminator.norm=instance",
    ],
}  # fmt: skip


def one_of_two(rank: int, port: int, recipes: list[DictConfig]) -> None:
    """What a process that `histoseg.engine.ranks` starts does, without the time that it takes."""
    torch.set_num_threads(1)  # the threads of the parent did not come along
    cv2.setNumThreads(0)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0"}
    for cfg in recipes:
        train(cfg)
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def of_two_and_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")

    def recipe(model: str, ranks: int, trainer: str) -> DictConfig:
        run = folder / f"{model}-{ranks}"
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("train", [
                f"model={model}", f"name={model}", *SMALL, *tiny_overrides(model), *ALIKE[model],
                f"trainer={trainer}", "trainer.max_epochs=2", "trainer.gradient_clip_val=1.0",
                "data.splits.train.length=6", "data.splits.val.length=4", "test=false",
                f"data.batch_size={2 // ranks}", "model.optimizer._target_=torch.optim.SGD",
                "~model.optimizer.betas", "model.optimizer.lr=1e-3", f"paths.run={run}",
            ])  # fmt: skip
        with open_dict(cfg):
            cfg.callbacks.ranks = {"_target_": "weight_dump.WeightDump", "folder": str(run)}
        return cfg

    recipes = [recipe(model, 2, "ddp_cpu") for model in ALIKE]
    # autograd's threads of a GPU do not outlive a fork
    context = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "fork")
    port = _free_port()
    ranks = [context.Process(target=one_of_two, args=(r, port, recipes)) for r in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=300)
        if process.is_alive():
            process.kill()
    assert [process.exitcode for process in ranks] == [0, 0]
    for model in ALIKE:
        train(recipe(model, 1, "cpu"))
    return folder


@pytest.mark.parametrize("model", list(ALIKE))
def test_two_ranks_do_what_one_does_with_batches_twice_as_large(
    model: str, of_two_and_one: Path
) -> None:
    """With norms of each picture, no dropout, and pools that are not full.

    Sums are taken in another order, and Adam makes much of that where gradients are near 0: so SGD,
    whose steps are in proportion to them, and a small rate.
    """
    runs = {ranks: of_two_and_one / f"{model}-{ranks}" for ranks in (1, 2)}
    first, second, alone = (
        torch.load(runs[n] / f"rank{r}.pt", weights_only=True) for n, r in ((2, 0), (2, 1), (1, 0))
    )
    assert same(first, second)
    for name, weight in alone.items():
        torch.testing.assert_close(first[name], weight, rtol=1e-4, atol=1e-6, msg=name)
    ours, theirs = curve(runs[2]), curve(runs[1])
    assert len(ours) == len(theirs) == 2
    for epoch, expected in zip(ours, theirs, strict=True):
        assert any(name.startswith("val/") for name in epoch)
        assert epoch == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_each_rank_has_pools_of_its_own(of_two_and_one: Path) -> None:
    stored = checkpoint.read(of_two_and_one / "cyclegan-2" / LAST)["pools"]
    (alone,) = checkpoint.read(of_two_and_one / "cyclegan-1" / LAST)["pools"]
    assert [{name: len(kept) for name, kept in own.items()} for own in stored] == [
        {"a": 6, "b": 6}, {"a": 6, "b": 6},
    ]  # fmt: skip
    for name, kept in alone.items():  # together they hold what one rank would
        pairs = zip(*(own[name] for own in stored), strict=True)
        both = torch.stack([picture for pair in pairs for picture in pair])
        torch.testing.assert_close(both, torch.stack(kept), rtol=0, atol=1e-3)
