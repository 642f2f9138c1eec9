"""Range tests: what rises, what stays, and that nothing is left behind."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from conftest import Compose
from histoseg.callbacks import RangeTest
from histoseg.engine import checkpoint
from histoseg.engine.lr_find import LrFigures, lr_find, range_test

SMALL = (
    "model=cyclegan", "data=synthetic_stains", "model.outputs=[hematoxylin]", "data.num_workers=0",
    "trainer.enable_progress_bar=false", "steps=10",
)  # fmt: skip


@pytest.fixture
def cfg(composed: Compose) -> DictConfig:
    return composed("lr_find", *SMALL, tiny="cyclegan")


def state() -> list[object]:
    numpy = np.random.get_state()  # noqa: NPY002
    return [random.getstate(), numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()]


def test_weights_buffers_and_random_streams_are_as_before(cfg: DictConfig) -> None:
    module = checkpoint.build(cfg).train()
    before, draws = {k: v.clone() for k, v in module.state_dict().items()}, state()
    lrs, losses = range_test(cfg, module)
    assert len(lrs) == len(losses) == 10
    assert state() == draws
    assert module.training
    after = module.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_rates_rise_by_equal_factors_and_the_curve_repeats(cfg: DictConfig) -> None:
    cfg.low, cfg.high = 1e-6, 1e-3
    module = checkpoint.build(cfg)
    (lrs, losses), (_, again) = range_test(cfg, module), range_test(cfg, module)
    assert lrs == pytest.approx(np.logspace(-6, -3, 10))
    assert losses.tolist() == again.tolist()


def test_each_optimizer_has_its_curve_in_files(cfg: DictConfig) -> None:
    cfg.high = 1e-3  # or the test ends early
    found = lr_find(cfg)
    assert list(found) == ["generators", "discriminators"]
    run = Path(cfg.paths.run)
    stored = json.loads((run / "lr_find.json").read_text())
    assert stored["generators"]["suggestions"] == found["generators"]
    assert len((run / "lr_find.csv").read_text().splitlines()) == 1 + 2 * 10
    assert (run / "lr_find.png").stat().st_size > 10_000


def test_several_devices_are_one_process(composed: Compose) -> None:
    cfg = composed("lr_find", *SMALL, "trainer=ddp_cpu", "trainer.devices=2", tiny="cyclegan")
    assert list(lr_find(cfg)) == ["generators", "discriminators"]


def test_a_sweep_has_one_figure(tmp_path: Path) -> None:
    for job in range(2):
        (tmp_path / str(job)).mkdir()
        curve = {"lr": [1e-4, 1e-3, 1e-2], "loss": [2.0, 1.0, 3.0]}
        (tmp_path / str(job) / "lr_find.json").write_text(json.dumps({"all": curve}))
    LrFigures().on_multirun_end(DictConfig({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    assert (tmp_path / "lr_find.png").is_file()


@pytest.mark.parametrize("bad", ["low=0", "low=1 high=1e-3", "steps=3", "stop=1", "phase=none"])
def test_settings_that_cannot_be(composed: Compose, bad: str) -> None:
    cfg = composed("lr_find", *SMALL, *bad.split(), tiny="cyclegan")
    with pytest.raises(ValueError, match=bad.split()[0]):
        lr_find(cfg)


class _Trainer:
    def __init__(self, loss: float) -> None:
        self.callback_metrics, self.should_stop = {"step/loss": torch.tensor(loss)}, False


@pytest.mark.parametrize(("first", "last"), [(1.0, 300.0), (-1.0, 300.0), (1.0, float("inf"))])
def test_it_ends_where_the_loss_explodes(first: float, last: float) -> None:
    test = RangeTest("step/loss")
    for loss in [first, first - 0.5, first - 0.5]:
        trainer = _Trainer(loss)
        test.on_train_batch_end(trainer, None, None, None, 0)  # type: ignore[arg-type]
        assert not trainer.should_stop
    trainer = _Trainer(last)
    test.on_train_batch_end(trainer, None, None, None, 0)  # type: ignore[arg-type]
    assert trainer.should_stop
