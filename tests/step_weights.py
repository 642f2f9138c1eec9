"""Callbacks of the tests: what are the weights after each step, and a cut in the middle."""

from typing import Any, ClassVar

import pytorch_lightning as pl
from torch import Tensor

History = dict[str, list[dict[str, Tensor]]]


class StepWeights(pl.Callback):
    seen: ClassVar[History] = {}
    validated: ClassVar[History] = {}

    def __init__(self, phase: str) -> None:
        self.phase = phase
        self.seen[phase], self.validated[phase] = [], []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        self.seen[self.phase].append(_copy(pl_module))

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        self.validated[self.phase].append(_copy(pl_module))


class Cut(pl.Callback):
    """Stops a run at the start of an epoch, as Ctrl-C would."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt


def _copy(module: pl.LightningModule) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in module.state_dict().items()}
