"""Where to start looking for a learning rate: a range test of a model on its data."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict
from pytorch_lightning.utilities.seed import isolate_rng
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

from histoseg.callbacks import RangeTest
from histoseg.engine import checkpoint
from histoseg.engine.class_names import name_classes
from histoseg.engine.contract import check_contract
from histoseg.engine.data import build_data
from histoseg.engine.phases import phases
from histoseg.engine.ranks import rank
from histoseg.engine.record import write_provenance
from histoseg.engine.sweep_scores import jobs, overrides_of
from histoseg.engine.trainer import build_trainer
from histoseg.errors import NonFiniteLossError
from histoseg.modules.adversarial import AdversarialModule
from histoseg.modules.base import Module
from histoseg.ops.lr_suggestions import lr_suggestions
from histoseg.writers import Curve, write_csv, write_json, write_lr_figure

log = logging.getLogger(__name__)
NAME = "lr_find"
RULES = ("valley", "steep", "minimum", "slide")


def lr_find(cfg: DictConfig) -> dict[str, dict[str, float]]:
    """Test learning rates of the configured model on the configured data, each optimiser by itself.

    One process does it, whatever the trainer has devices; other ranks return at once.

    Args:
        cfg: Composed from ``conf/lr_find.yaml``.

    Returns:
        Suggestions by optimiser and rule.

    Raises:
        ContractError: If the model and the data do not fit.
        ValueError: If a setting cannot be.
    """
    name_classes(cfg)
    check_contract(cfg)
    _check_settings(cfg)
    if rank() > 0:
        return {}
    cfg = _one_phase(cfg)
    folder = Path(cfg.paths.run)
    write_provenance(cfg, folder)
    pl.seed_everything(cfg.seed, verbose=False)
    module = checkpoint.build(cfg)
    curves = {name: range_test(cfg, module, i) for i, name in enumerate(_optimizers(module))}
    found = {name: lr_suggestions(*curve) for name, curve in curves.items()}
    _write(folder, curves, found)
    log.info("%s\n\n%s\n\n%s", module.__class__.__name__, _table(found), folder / f"{NAME}.png")
    return found


def range_test(cfg: DictConfig, module: Module, optimizer: int = 0) -> Curve:
    """Train a copy of a module at rising learning rates.

    The module, its optimisers and the random streams of this process are afterwards as before.

    Args:
        cfg: ``data``, ``trainer``, ``seed`` and the settings of ``conf/lr_find.yaml``.
        module: Of the same configuration.
        optimizer: Index of the one whose rate rises; the others have theirs.

    Returns:
        Rates and smoothed losses, each (N,) float64.
    """
    tried = copy.deepcopy(module)
    tried.scheduler_recipe = lambda o: LambdaLR(o, lambda epoch: 1.0)
    test = RangeTest(
        "step/d_loss" if optimizer else "step/loss",
        optimizer=optimizer,
        low=cfg.low,
        high=cfg.high,
        steps=cfg.steps,
        stop=cfg.stop,
    )
    with isolate_rng():
        pl.seed_everything(cfg.seed, verbose=False)
        trainer = build_trainer(cfg, tried, [test])
        with contextlib.suppress(NonFiniteLossError):  # it has risen far enough
            trainer.fit(tried, datamodule=build_data(cfg, tried))
    done = len(test.losses)
    return np.array(test.lrs[:done]), np.array(test.losses)


class LrFigures(Callback):
    """Draws the curves of all jobs of a sweep in one figure."""

    @override
    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Draw what the jobs left."""
        folder = Path(config.hydra.sweep.dir)
        curves: dict[str, Curve] = {}
        for job in jobs(folder):
            path = job / f"{NAME}.json"
            if path.is_file():
                for name, one in json.loads(path.read_text(encoding="utf-8")).items():
                    said = overrides_of(job) or job.name
                    label = said if name == "all" else f"{said} {name}"
                    curves[label] = np.array(one["lr"]), np.array(one["loss"])
        if curves:
            log.info("%s", write_lr_figure(folder / f"{NAME}.png", curves))


def _one_phase(cfg: DictConfig) -> DictConfig:
    """The configuration of the phase that is tested, in one process, without anything saved."""
    every = {phase.phase: phase for phase in phases(cfg)}
    name = cfg.phase if cfg.phase in every else next(iter(every))
    if cfg.phase not in (*every, "fit"):
        raise ValueError(f"phase={cfg.phase}: choose one of {', '.join(every)}")
    chosen = every[name]
    alone = {
        **{"devices": 1, "num_nodes": 1, "strategy": "auto", "accumulate_grad_batches": 1},
        **{"max_epochs": -1, "min_epochs": 0, "max_steps": cfg.steps},
        **{"limit_val_batches": 0, "num_sanity_val_steps": 0, "enable_model_summary": False},
    }
    with open_dict(chosen):
        chosen.callbacks, chosen.logger = {}, {}
        chosen.trainer.merge_with(alone)
    return chosen


def _check_settings(cfg: DictConfig) -> None:
    if not 0 < cfg.low < cfg.high:
        raise ValueError(f"low={cfg.low} high={cfg.high}: expected 0 < low < high")
    if not (isinstance(cfg.steps, int) and cfg.steps >= 10):
        raise ValueError(f"steps={cfg.steps}: expected 10 or more")
    if cfg.stop <= 1:
        raise ValueError(f"stop={cfg.stop}: expected more than 1")


def _optimizers(module: Module) -> tuple[str, ...]:
    return ("generators", "discriminators") if isinstance(module, AdversarialModule) else ("all",)


def _write(folder: Path, curves: dict[str, Curve], found: dict[str, dict[str, float]]) -> None:
    content = {
        name: {"lr": lrs.tolist(), "loss": losses.tolist(), "suggestions": found[name]}
        for name, (lrs, losses) in curves.items()
    }
    write_json(folder / f"{NAME}.json", content)
    rows = [[name, *row] for name, curve in curves.items() for row in zip(*curve, strict=True)]
    write_csv(folder / f"{NAME}.csv", ("optimizer", "lr", "loss"), rows)
    write_lr_figure(folder / f"{NAME}.png", curves, found)


def _table(found: dict[str, dict[str, float]]) -> str:
    lines = [f"  {'optimizer':<16}" + "".join(f"{rule:>12}" for rule in RULES)]
    for name, rules in found.items():
        said = "".join(f"{rules[rule]:>12.1e}" for rule in RULES if rule in rules)
        lines.append(
            f"  {name:<16}" + (said or "   too few finite losses: raise steps=, lower high=")
        )
    return "\n".join(lines)
