"""In which order items are drawn, and with which random seed each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch.distributed as dist
from torch.utils.data import Sampler

from histoseg.contracts import Array

SPREAD = 24
"""Batches from one patch of an image to its next: a number that most counts of workers divide."""


class Draw(NamedTuple):
    """One item to load: its position in the data set and the seed of its augmentation."""

    item: int
    seed: int


class Draws(Sampler[Draw]):
    """The items of one epoch, as this rank sees them.

    Order and augmentation seeds depend on ``seed`` and the epoch alone: not on the number of
    workers, on what ran before, or on whether the run was resumed. Ranks take turns.

    Args:
        length: Number of items in the data set.
        seed: Seed of the run.
        shuffle: Whether an epoch is a random permutation. If so, the few items that do not divide
            by the number of ranks are left out, so that all ranks make equally many steps.
            If not, every item is drawn exactly once over all ranks, so that scores are exact.
        parts: Items that come from one image, one after the other in the data set. They are drawn
            `SPREAD` batches apart, so that one worker gets all of them where the number of workers
            divides that, and their seeds are the same but for the remainder by ``parts``.
        batch_size: Items of a batch, of one rank; only read with ``parts``.
        weights: (length,), how often each item is drawn, relative to the others: a shuffled epoch
            has as many draws as items, each of any item; None draws each item once.

    Raises:
        ValueError: If some rank would get no item at all, or there is not one weight an item.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int,
        shuffle: bool,
        weights: Array | None = None,
        parts: int = 1,
        batch_size: int = 1,
    ) -> None:
        self.length, self.seed, self.shuffle, self.epoch = length, seed, shuffle, 0
        self.shares = None if weights is None else weights / weights.sum()
        if weights is not None and weights.shape != (length,):
            raise ValueError(f"{weights.shape} weights for {length} items; expected one each")
        ranked = dist.is_available() and dist.is_initialized()
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if ranked else (0, 1)
        self.parts = parts if weights is None else 1
        self.window = SPREAD * batch_size * self.world
        if length == 0:
            raise ValueError(
                "the split has no item; look at the folder or the fold it is read from"
            )
        if length < self.world:
            raise ValueError(
                f"{length} items cannot be shared by {self.world} ranks; use {length} or fewer"
            )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of items of this rank."""
        if self.shuffle:
            return self.length // self.world
        return len(range(self.rank, self.length, self.world))

    def __iter__(self) -> Iterator[Draw]:
        """Yield this rank's items."""
        rng = np.random.default_rng([self.seed, self.epoch])
        order, seeds = self._in_parts(rng) if self.parts > 1 else self._one_by_one(rng)
        mine = range(self.rank, self.length, self.world)
        for position in list(mine)[: len(self)]:
            yield Draw(int(order[position]), int(seeds[position]))

    def _one_by_one(self, rng: np.random.Generator) -> tuple[Array, Array]:
        order = self._order(rng)
        return order, rng.integers(2**32, size=self.length)

    def _in_parts(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Window by window of images: the first part of each, then the second of each, ..."""
        count = self.length // self.parts
        images = rng.permutation(count) if self.shuffle else np.arange(count)
        turns = np.tile(np.arange(self.parts), (count, 1))
        parts = rng.permuted(turns, axis=1) if self.shuffle else turns
        items = images[:, None] * self.parts + parts
        seeds = rng.integers(2**32, size=(count, 1)) * self.parts + turns
        starts = range(0, count, self.window)
        order, drawn = (
            np.concatenate([rows[start : start + self.window].T.ravel() for start in starts])
            for rows in (items, seeds)
        )
        return order, drawn

    def _order(self, rng: np.random.Generator) -> Array:
        if not self.shuffle:
            return np.arange(self.length)
        if self.shares is None:
            return rng.permutation(self.length)
        return rng.choice(self.length, size=self.length, p=self.shares)
