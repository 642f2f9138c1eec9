"""The Lightning trainer of a configuration."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

# What Lightning says of every run, though nothing is wrong with it.
NOISE = (
    r".*LeafSpec.*is deprecated",  # Lightning 2.6 with torch >= 2.12
    r"Found .* module\(s\) in eval mode",  # a frozen encoder is meant to be
    r"(Checkpoint|Experiment logs) directory .* exists and is not empty",  # a resumed run
    r"It is recommended to use `self\.log\(.*sync_dist=True",  # scores are the same on every rank
)


def build_trainer(cfg: DictConfig, callbacks: list[pl.Callback] | None = None) -> pl.Trainer:
    """Build the trainer with the configured loggers, and the configured or given callbacks."""
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
    trainer: pl.Trainer = instantiate(cfg.trainer, **options)
    return trainer
