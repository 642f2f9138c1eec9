"""Schedules of learning rates that torch does not have, and how they are stepped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from typing_extensions import override


class LinearDecay(LRScheduler):
    """Hold the rate, then let it fall in a straight line.

    In epoch e, counted from 0, the factor is ``1 - max(0, e - constant) / (decay + 1)``, and never
    below 0. So the last epoch with a rate is number ``constant + decay``: training takes
    ``constant + decay + 1`` epochs, 201 as DeepLIIF has them.

    Args:
        optimizer: Whose groups fall together.
        constant: Last epoch at the full rate. CycleGAN, which counts from 1, holds it for 100
            epochs: 99.
        decay: Epochs in which it falls.
        last_epoch: Of a schedule that goes on; -1 starts one.

    Raises:
        ValueError: If a number of epochs is negative.

    Source:
        nadeemlab/DeepLIIF and junyanz/pytorch-CycleGAN-and-pix2pix, policy ``linear``.
    """

    def __init__(
        self, optimizer: Optimizer, constant: int = 100, decay: int = 100, last_epoch: int = -1
    ) -> None:
        if constant < 0 or decay < 0:
            raise ValueError(f"constant is {constant}, decay {decay}; expected 0 or more of each")
        self.constant, self.decay = constant, decay
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[float | Tensor]:
        fallen = max(0, self.last_epoch - self.constant) / (self.decay + 1)
        return [max(0.0, 1 - fallen) * base for base in self.base_lrs]


class OneCycle(OneCycleLR):
    """Let the rate of each group rise to the one it was given, and fall again; stepped each batch.

    The momentum (of Adam the first beta) does the opposite.

    Args:
        optimizer: The rates of its groups are the highest.
        total_steps: Of the phase.
        rise: Share of the steps in which rates rise.
        start: Highest rate by first rate.
        end: Highest rate by last rate.
        momentum: Lowest and highest.

    Source:
        Smith 2018, https://arxiv.org/abs/1803.09820; numbers and cosines are those of fastai 1.
    """

    by_step = True

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        rise: float = 0.3,
        start: float = 25.0,
        end: float = 25e4,
        momentum: tuple[float, float] = (0.85, 0.95),
    ) -> None:
        super().__init__(
            optimizer,
            max_lr=[float(group["lr"]) for group in optimizer.param_groups],
            total_steps=total_steps,
            pct_start=rise,
            div_factor=start,
            final_div_factor=end / start,
            base_momentum=momentum[0],
            max_momentum=momentum[1],
        )


def by_step(recipe: Callable[..., LRScheduler]) -> bool:
    """Whether a schedule goes by batches, and not by epochs."""
    kind = recipe.func if isinstance(recipe, partial) else recipe
    return bool(getattr(kind, "by_step", False))


def stepped(
    recipe: Callable[..., LRScheduler],
    optimizer: Optimizer,
    module: pl.LightningModule,
    monitor: str,
) -> dict[str, Any]:
    """Build a schedule, as Lightning takes it.

    Args:
        recipe: Optimiser to schedule; one that goes by steps is also given their number.
        optimizer: What it is for.
        module: Its trainer knows how many steps the phase has.
        monitor: What a schedule that waits for a plateau looks at.
    """
    if not by_step(recipe):
        return {"scheduler": recipe(optimizer), "interval": "epoch", "monitor": monitor}
    steps = int(module.trainer.estimated_stepping_batches)
    return {"scheduler": recipe(optimizer, total_steps=steps), "interval": "step"}
