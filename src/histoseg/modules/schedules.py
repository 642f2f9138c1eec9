"""Schedules of learning rates that torch does not have."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
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
