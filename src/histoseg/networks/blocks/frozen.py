"""Encoders that can be held still while the rest of a network learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Freeze = Literal["none", "full", "weights", "statistics", "reference"]


class FreezableEncoder(nn.Module, ABC):
    """An encoder that gives four skips at strides 1, 2, 4 and 8, and can be frozen.

    Attributes:
        channels: Channels of the four skips.
        freeze_mode: How it is frozen now.
    """

    channels: tuple[int, int, int, int]
    freeze_mode: Freeze

    def __init__(self) -> None:
        super().__init__()
        self.freeze_mode = "none"

    @abstractmethod
    def forward(self, image: Tensor) -> list[Tensor]:
        """Turn an image (B, C, H, W) into four skips, largest first."""

    @abstractmethod
    def frozen_parts(self, how: Freeze) -> list[nn.Module]:
        """List the modules below this one that do not learn under ``how`` (not for ``none``)."""

    def freeze(self, how: Freeze) -> None:
        """Hold parts of the encoder still, or let all of it learn again.

        Args:
            how: What is held. ``none``: nothing. ``full``: weights, and the statistics of batch
                norms, also in train mode. ``weights``: the weights alone; batch norms go on
                collecting statistics. ``statistics``: those alone, for batches too small to tell
                them; all weights learn, the scales and shifts of batch norms too. ``reference``: as
                the authors' first training phase; what learns is up to the encoder, and batch norms
                go on collecting.

        Raises:
            ValueError: If ``how`` is none of these.
        """
        if how not in get_args(Freeze):
            raise ValueError(f"freeze {how!r} is unknown; choose one of {get_args(Freeze)}")
        self.freeze_mode = how
        self.requires_grad_(True)
        if how != "statistics":
            for part in self._frozen():
                part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; what is held still stays in evaluation.

        Held weights are without dropout and the like, held statistics without updates.
        """
        super().train(mode)
        if not mode or self.freeze_mode == "reference":
            return self
        for part in self._frozen():
            if self.freeze_mode != "statistics":
                part.eval()
            for module in part.modules():
                if isinstance(module, _BatchNorm):
                    module.train(self.freeze_mode == "weights")
        return self

    def without_gradient(self) -> AbstractContextManager[None]:
        """Enter around what the reference runs without autograd while it trains."""
        held = self.freeze_mode == "reference" and self.training
        return torch.no_grad() if held else nullcontext()

    def _frozen(self) -> list[nn.Module]:
        return [] if self.freeze_mode == "none" else self.frozen_parts(self.freeze_mode)
