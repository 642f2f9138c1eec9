"""The moving average of the weights, in a run of two phases."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor

from conftest import Compose
from histoseg.callbacks import EMA
from histoseg.engine import checkpoint
from histoseg.engine.train import train
from step_weights import StepWeights

Weights = dict[str, Tensor]
SETTINGS = [
    "model=hovernet", "data=synthetic", "callbacks=ema", "logger=none", "test=false",
    "data.splits.train.length=4", "data.splits.val.length=1", "data.splits.test.length=1",
    "data.num_workers=0", "phases.decoders.data.batch_size=2", "phases.all.data.batch_size=2",
    "model.optimizer.lr=0.01", "trainer.max_epochs=2", "trainer.num_sanity_val_steps=0",
    "trainer.enable_progress_bar=false", "trainer.enable_model_summary=false",
    "~callbacks.panels", "+phases.decoders.trainer.max_epochs=1", "callbacks.ema.decay=0.5",
]  # fmt: skip


def config(composed: Compose, run: Path) -> DictConfig:
    return composed("train", *SETTINGS, f"paths.run={run}", tiny="hovernet")


def averaged(steps: list[Weights], decay: float) -> Weights:
    """The moving average by its definition, one tensor at a time."""
    mean = steps[0]
    for n, now in enumerate(steps[1:], start=1):
        kept = min(decay, (1 + n) / (10 + n))
        mean = {
            k: kept * mean[k] + (1 - kept) * v if v.is_floating_point() else v
            for k, v in now.items()
        }
    return mean


def test_checkpoints_hold_the_average_and_resuming_goes_on_with_the_raw_weights(
    composed: Compose, tmp_path: Path
) -> None:
    uncut = config(composed, tmp_path / "uncut")
    with open_dict(uncut):
        uncut.callbacks.seen = {"_target_": "step_weights.StepWeights", "phase": "${phase}"}
    train(uncut)
    _check_the_average(tmp_path / "uncut")

    cut = config(composed, tmp_path / "cut")
    with open_dict(cut):
        cut.callbacks.cut = {"_target_": "step_weights.Cut", "epoch": 1}
    shutil.copytree(tmp_path / "uncut" / "decoders", tmp_path / "cut" / "decoders")
    with pytest.raises(KeyboardInterrupt):
        train(cut)
    assert not (tmp_path / "cut" / "all" / "done.json").exists()
    train(config(composed, tmp_path / "cut"))
    last = Path("all") / "checkpoints" / "last.ckpt"
    a, b = (checkpoint.read(tmp_path / run / last) for run in ("uncut", "cut"))
    for part in ("state_dict", "current_model_state", "averaging_state"):
        assert a[part].keys() == b[part].keys()
        assert all(torch.equal(a[part][k], b[part][k]) for k in a[part]), part
    assert str(a["optimizer_states"]) == str(b["optimizer_states"])


def _check_the_average(run: Path) -> None:
    first, second = (StepWeights.seen[phase] for phase in ("decoders", "all"))
    assert (len(first), len(second)) == (2, 4)
    last = checkpoint.read(run / "all" / "checkpoints" / "last.ckpt")
    want = averaged(second, 0.5)
    for key, value in last["state_dict"].items():
        torch.testing.assert_close(value, want[key], rtol=1e-5, atol=1e-6)
    raw = last["current_model_state"]
    assert all(torch.equal(raw[k], second[-1][k]) for k in raw)
    assert any(not torch.allclose(raw[k], v) for k, v in last["state_dict"].items())

    for epoch, validated in enumerate(StepWeights.validated["all"]):
        want = averaged(second[: 2 * (epoch + 1)], 0.5)
        for key, value in validated.items():
            torch.testing.assert_close(value, want[key], rtol=1e-5, atol=1e-6)

    handed_on = checkpoint.read(run / "decoders" / "checkpoints" / "last.ckpt")["state_dict"]
    held = [k for k in handed_on if k.startswith("network.encoder.")]
    assert held
    assert all(torch.equal(handed_on[k], first[0][k]) for k in held), "frozen, to the bit"

    best = checkpoint.read(run / "best.ckpt")
    at_best = averaged(second[: best["global_step"]], 0.5)
    for key, value in best["state_dict"].items():
        torch.testing.assert_close(value, at_best[key], rtol=1e-5, atol=1e-6)


def test_it_lies_where_training_is_and_refuses_a_wrong_decay(composed: Compose) -> None:
    module = checkpoint.build(config(composed, Path("unused")))
    ema = EMA()
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("meta")))
    ema.setup(trainer, module, "fit")
    assert ema._average_model is not None
    assert {p.device.type for p in ema._average_model.parameters()} == {"meta"}
    with pytest.raises(ValueError, match="decay is 1"):
        EMA(decay=1)
