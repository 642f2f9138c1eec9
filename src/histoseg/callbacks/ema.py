"""Exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor
from typing_extensions import override


class EMA(WeightAveraging):
    """Validate, test and save a moving average of the weights, and train the raw ones.

    A checkpoint holds the average as its weights, and beside them the raw weights, from which a
    resumed run goes on; the next phase starts from the average. Statistics of batch norms are
    averaged like weights, counters are copied. What does not change, such as a frozen encoder,
    keeps its bits.

    Args:
        decay: Share of the average that each step keeps; after n steps it is at most
            ``(1 + n) / (10 + n)``, so that a short run is not dominated by its start.

    Raises:
        ValueError: If ``decay`` is outside [0, 1).

    Source:
        Lightning's ``WeightAveraging`` does the work. Unlike its EMA this one rounds nothing that
        stands still, keeps the average on the device of training, and warms up as TensorFlow's
        ``ExponentialMovingAverage`` does with ``num_updates``.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}; expected 0 or more and less than 1")
        super().__init__(multi_avg_fn=self._average)
        self.decay = decay

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        # the module is still on the CPU here: each step would copy all weights from the GPU
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def _average(self, average: Sequence[Tensor], now: Sequence[Tensor], count: Any) -> None:
        """Move tensors of one type; ``count`` is on the device, and asking it would wait for it."""
        steps = self._latest_update_step
        if average[0].is_floating_point():
            kept = min(self.decay, (1 + steps) / (10 + steps))
            torch._foreach_lerp_(list(average), list(now), 1 - kept)
        else:
            torch._foreach_copy_(list(average), list(now))
