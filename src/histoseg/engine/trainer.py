"""The Lightning trainer of a configuration."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

from histoseg.modules.adversarial import AdversarialModule
from histoseg.modules.base import Module

# What Lightning says of every run, though nothing is wrong with it.
NOISE = (
    r".*LeafSpec.*is deprecated",  # Lightning 2.6 with torch >= 2.12
    r"Found .* module\(s\) in eval mode",  # a frozen encoder is meant to be
    r"(Checkpoint|Experiment logs) directory .* exists and is not empty",  # a resumed run
    r"It is recommended to use `self\.log\(.*sync_dist=True",  # scores are the same on every rank
)

ONE_OPTIMISER = (
    pl.callbacks.LearningRateFinder,
    pl.callbacks.StochasticWeightAveraging,
    pl.callbacks.GradientAccumulationScheduler,
)


def build_trainer(
    cfg: DictConfig, module: Module, callbacks: list[pl.Callback] | None = None
) -> pl.Trainer:
    """Build the trainer with the configured loggers, and the configured or given callbacks.

    An adversarial module steps by itself, so it is given the settings of steps, which Lightning
    would refuse.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    if callbacks is None:
        callbacks = list(instantiate(cfg.callbacks).values())
    loggers = list(instantiate(cfg.logger).values())
    if not loggers:  # which this one refuses to be without
        callbacks = [c for c in callbacks if not isinstance(c, pl.callbacks.LearningRateMonitor)]
    saves = any(isinstance(c, pl.callbacks.ModelCheckpoint) for c in callbacks)
    options: dict[str, Any] = {
        "callbacks": callbacks,
        "logger": loggers,
        "enable_checkpointing": saves,
    }
    if isinstance(module, AdversarialModule):
        _refuse_what_needs_one_optimiser(callbacks, module)
        options |= _handed_over(cfg, module)
    trainer: pl.Trainer = instantiate(cfg.trainer, **options)
    return trainer


def _refuse_what_needs_one_optimiser(callbacks: list[pl.Callback], module: Module) -> None:
    """Say it before anything runs; Lightning would say it late, or quietly do something else."""
    for callback in callbacks:
        if isinstance(callback, ONE_OPTIMISER):
            raise ValueError(
                f"{type(callback).__name__} works with one optimiser; {type(module).__name__} has "
                "two that take turns. Leave that callback out: set model.optimizer.lr and "
                "model.discriminator_lr, trainer.accumulate_grad_batches, callbacks=ema instead"
            )


def _handed_over(cfg: DictConfig, module: AdversarialModule) -> dict[str, Any]:
    """Let a module clip and accumulate; what the trainer is told instead."""
    settings = cfg.trainer
    module.clip, module.accumulate = settings.gradient_clip_val, settings.accumulate_grad_batches
    steps = settings.max_steps  # Lightning counts those of each side
    return {
        "gradient_clip_val": None,
        "accumulate_grad_batches": 1,
        "max_steps": steps * len(module.order) if steps > 0 else steps,
    }
