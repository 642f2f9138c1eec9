"""Stop at the first loss that is not a number, saying where it came from."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from typing_extensions import override

from histoseg.errors import NonFiniteLossError


class FiniteLoss(pl.Callback):
    """Refuse to step on a NaN or infinite loss: it would spoil every weight at once.

    Checkpoints written before stay as they are.
    """

    def __init__(self) -> None:
        self.last: float | None = None
        self.files: list[str] = []

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        place = batch.get("place")
        self.files = list(place.slide) if place is not None else []

    @override
    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        value = float(loss.detach())
        if math.isfinite(value):
            self.last = value
            return
        raise NonFiniteLossError(
            f"the loss is {value} at step {trainer.global_step} "
            f"(epoch {trainer.current_epoch}); "
            f"last finite loss: {self.last}; batch: {', '.join(self.files) or 'unnamed'}. "
            "The checkpoints written so far are sound: look at those files, then lower "
            "model.optimizer.lr, set trainer.gradient_clip_val=1 or trainer.precision=32-true, "
            "and go on with resume=<run>"
        )
