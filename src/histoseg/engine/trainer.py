"""The Lightning trainer of a configuration."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig


def build_trainer(cfg: DictConfig, callbacks: list[pl.Callback] | None = None) -> pl.Trainer:
    """Build the trainer with the configured loggers, and the configured or given callbacks."""
    if callbacks is None:
        callbacks = list(instantiate(cfg.callbacks).values())
    saves = any(isinstance(c, pl.callbacks.ModelCheckpoint) for c in callbacks)
    options: dict[str, Any] = {
        "callbacks": callbacks,
        "logger": list(instantiate(cfg.logger).values()),
        "enable_checkpointing": saves,
    }
    trainer: pl.Trainer = instantiate(cfg.trainer, **options)
    return trainer
