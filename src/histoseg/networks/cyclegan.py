"""The generators of CycleGAN: one for each direction between two domains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Direction = Literal["a_to_b", "b_to_a"]


class CycleGAN(nn.Module):
    """Two translators, which share nothing.

    Args:
        translator: Recipe of a network, picture to picture.

    Source:
        Zhu et al. 2017, https://arxiv.org/abs/1703.10593; junyanz/pytorch-CycleGAN-and-pix2pix.
    """

    def __init__(self, translator: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.a_to_b, self.b_to_a = translator(), translator()

    def forward(self, picture: Tensor, direction: Direction) -> Tensor:
        """Translate a picture.

        Args:
            picture: (B, 3, H, W), float32 in [-1, 1].
            direction: Which way.

        Returns:
            As ``picture``.
        """
        made: Tensor = (self.a_to_b if direction == "a_to_b" else self.b_to_a)(picture)
        return made


def mixes(network: nn.Module) -> bool:
    """Whether pictures of a batch change each other: in training they do in batch norms."""
    return any(isinstance(part, _BatchNorm) for part in network.modules())


def together(
    network: Callable[[Tensor], Tensor], first: Tensor, second: Tensor, *, apart: bool
) -> tuple[Tensor, Tensor]:
    """What a network makes of two batches: in one call, or in two."""
    if apart:
        return network(first), network(second)
    made = network(torch.cat([first, second.to(first.dtype)]))
    return made[: len(first)], made[len(first) :]
