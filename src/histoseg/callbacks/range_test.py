"""A training whose learning rate rises from step to step, to see where the loss falls."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
from torch.optim import Optimizer
from typing_extensions import override

SMOOTHING = 0.98


class RangeTest(pl.Callback):
    """Raise the learning rate of one optimiser and keep the losses; others stay as they are.

    Groups of parameters keep their ratio: the largest of their rates is the one that is said. The
    test ends after ``steps``, or when the smoothed loss is far above the lowest: ``stop`` times it,
    or, where losses are negative, ``stop - 1`` times the fall above it.

    Args:
        loss: What the module logs each step as its loss: ``step/loss``, or ``step/d_loss``.
        optimizer: Index of the optimiser.
        low: First learning rate.
        high: Last learning rate.
        steps: From one to the other, by equal factors.
        stop: How far the loss may rise.

    Attributes:
        lrs: Rates so far.
        losses: Losses so far, smoothed by a bias-corrected moving mean.
    """

    def __init__(
        self,
        loss: str,
        *,
        optimizer: int = 0,
        low: float = 1e-7,
        high: float = 10.0,
        steps: int = 100,
        stop: float = 4.0,
    ) -> None:
        self.loss, self.optimizer = loss, optimizer
        self.low, self.high, self.steps, self.stop = low, high, steps, stop
        self.lrs: list[float] = []
        self.losses: list[float] = []
        self._mean = 0.0
        self._shares: list[float] = []

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rates = [group["lr"] for group in self._tested(trainer).param_groups]
        self._shares = [rate / max(rates) if max(rates) > 0 else 1.0 for rate in rates]

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        lr = self.low * (self.high / self.low) ** (len(self.lrs) / max(self.steps - 1, 1))
        self.lrs.append(lr)
        for group, share in zip(self._tested(trainer).param_groups, self._shares, strict=True):
            group["lr"] = lr * share

    @override
    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        loss = float(trainer.callback_metrics[self.loss])
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * loss
        smoothed = self._mean / (1 - SMOOTHING ** (len(self.losses) + 1))
        self.losses.append(smoothed)
        trainer.should_stop = len(self.losses) == self.steps or self._is_too_high(smoothed)

    def _is_too_high(self, smoothed: float) -> bool:
        lowest = min(self.losses)
        unit = lowest if lowest > 0 else self.losses[0] - lowest
        return not math.isfinite(smoothed) or 0 < (self.stop - 1) * unit < smoothed - lowest

    def _tested(self, trainer: pl.Trainer) -> Optimizer:
        return trainer.optimizers[self.optimizer]
