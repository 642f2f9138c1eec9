"""docs/ihc_generator_loop.md from end to end, in seconds: it runs, it does not learn."""

import json
from pathlib import Path

import pytest
import torch

from cli.conftest import call
from conftest import tiny_overrides

QUICK = (
    "trainer.max_epochs=1", "trainer.enable_progress_bar=false", "trainer.num_sanity_val_steps=0",
    "trainer.enable_model_summary=false", "trainer.log_every_n_steps=1", "data.num_workers=0",
    "data.batch_size=2",
)  # fmt: skip
FEW = tuple(f"data.splits.{split}.length=2" for split in ("train", "val", "test"))
STRIPS = ("data=deepliif_strips", "data.dataset.root=strips")


def steps_of(run: Path) -> int:
    """Of both sides together."""
    last = run / "fit" / "checkpoints" / "last.ckpt"
    return int(torch.load(last, weights_only=True)["global_step"])


@pytest.mark.slow
def test_generator_strips_translator_and_scores(tmp_path: Path) -> None:
    def run(*args: str) -> None:
        said = call(*args, cwd=tmp_path)
        assert said.code == 0, said.err

    small = tiny_overrides("ihc_generator")
    run("train", "model=ihc_generator", "data=synthetic_stains", *FEW, *small, *QUICK,
        "test=false", "hydra.run.dir=generator")  # fmt: skip
    run("synthesise", "ckpt=generator", "output=strips", "cells.size_thresh=0")
    small = tiny_overrides("deepliif")
    run("train", "model=deepliif", "data=synthetic_stains", *FEW, *small, *QUICK,
        "hydra.run.dir=real")  # fmt: skip
    run("train", "model=deepliif", *STRIPS, *small, *QUICK, "hydra.run.dir=both")
    assert len(list((tmp_path / "strips" / "train").glob("*.png"))) == 6
    assert steps_of(tmp_path / "real") == 2, "two strips are a batch, a step of each side"
    assert steps_of(tmp_path / "both") == 6, "two real strips and two of each"
    run("evaluate", "ckpt=real", *STRIPS, "data.tile=64", *QUICK[5:], "hydra.run.dir=scores")
    direct, strips = (
        json.loads((tmp_path / path / "metrics.json").read_text())
        for path in ("real/test", "scores")
    )
    assert len(strips) > 50
    assert strips == {name: direct[name] for name in strips}, (
        "the test strips are the real ones, pixel by pixel"
    )
