"""A data set seen through an augmentation or a crop."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol, cast, runtime_checkable

import numpy as np
from torch.utils.data import Dataset

from histoseg.contracts import Array, Record, Sample
from histoseg.data.counts import Records
from histoseg.data.draws import Draw
from histoseg.data.sample import packed

MAPS = frozenset({"instances", "semantic"})


@runtime_checkable
class DrawsApart(Protocol):
    """A data set that reads stains one by one, so that none is read in vain."""

    def drawn(self, index: int, seed: int) -> Record:
        """The first stain of item ``index``, and of each other stain one drawn by the seed."""


class Tiles(Dataset[Sample]):
    """A data set seen through an augmentation (training) or a centre crop (validation).

    Items are `packed`: `widened` makes of one, or of a batch, what a model takes. With an
    augmentation of unpaired stains, item i has the first stain of its record, and each other stain
    of a record drawn at random.

    Args:
        records: The data set.
        augment: Record and seed to the record of a tile.
        per_image: How often each record is an item: item i is record ``i % len(records)``.
        normalise: What is done to each whole image (H, W, 3) first. Stains stay as they are.
        wanted: Maps of the annotation that are used; others are left out first. None keeps all.
    """

    def __init__(
        self,
        records: Records,
        augment: Callable[..., Record],
        per_image: int = 1,
        normalise: Callable[[Array], Array] | None = None,
        wanted: Collection[str] | None = None,
    ) -> None:
        self.records, self.augment, self.per_image = records, augment, per_image
        self.normalise = normalise
        self.wanted = MAPS if wanted is None else frozenset(wanted) & MAPS
        self.needs_donor = getattr(augment, "needs_donor", False)
        self.paired = getattr(augment, "paired", True)
        self.drawn = None if self.paired or not isinstance(records, DrawsApart) else records.drawn

    def __len__(self) -> int:
        """Number of items."""
        return self.per_image * len(self.records)

    def __getitem__(self, draw: Draw | int) -> Sample:
        """Load one item, augment it with the seed of its draw (0 for a plain index), pack it."""
        item, seed = draw if isinstance(draw, Draw) else (draw, 0)
        index = item % len(self.records)
        if self.drawn is not None:
            return packed(self.augment(self.drawn(index, seed), seed))
        record = self._record(index, seed)
        if not self.paired and "stains" in record:
            record = self._apart(record, seed)
        if self.needs_donor:
            return packed(self.augment(record, seed, donor=partial(self._donor, seed)))
        return packed(self.augment(record, seed))

    def _apart(self, record: Record, seed: int) -> Record:
        """The record with all stains but the first replaced by those of others."""
        first, *names = record["stains"]
        others = np.random.default_rng([seed, 3]).integers(len(self.records), size=len(names))
        apart = record.copy()
        apart["stains"] = {first: record["stains"][first]} | {
            name: self.records[other]["stains"][name]
            for name, other in zip(names, others.tolist(), strict=True)
        }
        return apart

    def _record(self, index: int, seed: int) -> Record:
        # records that leave something to chance draw it with the seed of the item
        seeded = getattr(self.records, "seeded", None)
        record = self.records[index] if seeded is None else seeded(index, seed, self.wanted)
        if unused := MAPS - self.wanted & record.keys():
            record = cast(Record, {k: v for k, v in record.items() if k not in unused})
        if self.normalise is not None and "image" in record:
            record = record.copy()
            record["image"] = self.normalise(record["image"])
        return record

    def _donor(self, seed: int) -> Array:
        """The image of any record, drawn apart from the augmentation of the item."""
        index = np.random.default_rng([seed, 1]).integers(len(self.records))
        record = self._record(int(index), seed)
        if "image" not in record:
            raise ValueError(
                "an augmentation takes the colours of another image, and these records have "
                "stains only: leave it out with data.augment.transforms.<its name>=null"
            )
        return record["image"]
