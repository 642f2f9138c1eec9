"""Encoders that can be held still while the rest of a network learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Self

import torch
from torch import Tensor, nn

Freeze = Literal["none", "full", "reference"]


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
            how: ``full``: nothing learns, and batch norms keep their statistics in train mode.
                ``reference``: as the authors' first training phase; what learns is up to the
                encoder, and batch norms go on collecting statistics. ``none``: all of it learns.

        Raises:
            ValueError: If ``how`` is none of these.
        """
        if how not in ("none", "full", "reference"):
            raise ValueError(f"freeze {how!r} is unknown; choose 'none', 'full' or 'reference'")
        self.freeze_mode = how
        self.requires_grad_(True)
        for part in self._frozen():
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; fully frozen parts stay in evaluation."""
        super().train(mode)
        if self.freeze_mode == "full":
            for part in self._frozen():
                part.eval()
        return self

    def without_gradient(self) -> AbstractContextManager[None]:
        """Enter around what the reference runs without autograd while it trains."""
        held = self.freeze_mode == "reference" and self.training
        return torch.no_grad() if held else nullcontext()

    def _frozen(self) -> list[nn.Module]:
        return [] if self.freeze_mode == "none" else self.frozen_parts(self.freeze_mode)
