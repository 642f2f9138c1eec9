"""Made pictures of before, which keep a discriminator from forgetting."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

_log = logging.getLogger(__name__)


class ImagePool:
    """Keep pictures, and hand out an old one for a new one half of the time.

    Draws are of torch's generator on the CPU, which `histoseg.modules.base.Module` seeds anew for
    each batch and rank: with the pictures, a resumed run has all that an uncut one has.

    Args:
        size: Most pictures that are kept; 0 for none: new ones pass.

    Attributes:
        pictures: Those that are kept, each (C, H, W), as they came, without gradients.

    Raises:
        ValueError: If the size is negative.

    Source:
        Shrivastava et al. 2017, https://arxiv.org/abs/1612.07828; Zhu et al. 2017.
    """

    def __init__(self, size: int = 50) -> None:
        if size < 0:
            raise ValueError(f"pool is {size}; expected 0 for none, or a number of pictures")
        self.size = size
        self.pictures: list[Tensor] = []

    def __call__(self, made: Tensor) -> Tensor:
        """Exchange the pictures of a batch, one after the other.

        Args:
            made: (B, C, H, W), any type.

        Returns:
            As many pictures, without gradients. While there is room each is kept and returned;
            afterwards it is as likely to take the place of a kept one, which is returned.
        """
        made = made.detach()
        if not self.size:
            return made
        return torch.stack([self._exchanged(picture) for picture in made])

    def _exchanged(self, picture: Tensor) -> Tensor:
        if len(self.pictures) < self.size:
            self.pictures.append(picture.clone())
        elif torch.rand(()) < 0.5:
            place = int(torch.randint(self.size, ()))
            kept, self.pictures[place] = self.pictures[place], picture.clone()
            return kept
        return picture


def of_all_ranks(pools: Mapping[str, ImagePool]) -> list[dict[str, list[Tensor]]]:
    """Pictures of the pools of each rank, on the CPU; all ranks have to ask together."""
    own = {name: [picture.cpu() for picture in pool.pictures] for name, pool in pools.items()}
    every = [own]
    if dist.is_available() and dist.is_initialized():
        every *= dist.get_world_size()
        dist.all_gather_object(every, own)
    return every


def restore(
    pools: Mapping[str, ImagePool],
    stored: Sequence[Mapping[str, Sequence[Tensor]]],
    *,
    rank: int,
    world: int,
    device: torch.device,
) -> None:
    """Give the pools of a rank what was stored, also by another number of ranks.

    Then ranks beyond the stored ones begin with copies of theirs, and what is stored of ranks that
    are no more is left out; a warning says so.

    Args:
        pools: Of this rank, by name.
        stored: Of each rank, from `of_all_ranks`; none where the run has only begun.
        rank: Number of this rank.
        world: How many there are.
        device: Where the pictures go.
    """
    if not stored:
        return
    if len(stored) != world and rank == 0:
        _log.warning(
            "the pools of made pictures are of %d ranks and the run goes on with %d: %s. The run "
            "differs from an uncut one",
            len(stored),
            world,
            "new ranks begin with copies" if world > len(stored) else "those beyond are left out",
        )
    for name, pool in pools.items():
        kept = stored[rank % len(stored)].get(name, ())[: pool.size]
        pool.pictures = [picture.to(device, copy=True) for picture in kept]
