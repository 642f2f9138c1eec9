"""Data of stains that have nothing to do with each other."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np

from histoseg.contracts import Array, Place, Record
from histoseg.data.file_dataset import FileDataset, OnError

_log = logging.getLogger(__name__)


class Domain(Protocol):
    """Pictures of one stain."""

    @property
    def names(self) -> Sequence[str]:
        """What they are called."""

    def read(self, index: int) -> tuple[Array, Place]:
        """One of them (H, W, 3), uint8, and where it is from."""


class Unpaired(FileDataset):
    """Pictures of each stain by itself.

    There are as many items as the largest stain has pictures. Item i holds picture i of each stain,
    counted round where a stain has fewer; `drawn`, for training, takes all stains but the first at
    random.

    Args:
        domains: Stain -> its pictures; the first stain is drawn in order.
        split: For the log.
        on_error: As in `FileDataset`.

    Attributes:
        domains: As given.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"stains", "place"})

    def __init__(self, domains: Mapping[str, Domain], split: str, on_error: OnError) -> None:
        self.domains = dict(domains)
        counts = {stain: len(domain.names) for stain, domain in domains.items()}
        for stain, count in counts.items():
            if split == "train" and count == 1:
                _log.warning("stain %r has one picture to train on: it is learned by heart", stain)
        _log.info("%s: %s", split, ", ".join(f"{n} of {stain}" for stain, n in counts.items()))
        self._names = {
            stain: [f"{stain}: {name}" for name in domain.names]
            for stain, domain in domains.items()
        }
        self._index = {self._name(i): i for i in range(max(counts.values()))}
        super().__init__(list(self._index), on_error)

    def read(self, name: str) -> Record:
        """Read a picture of each stain: see `FileDataset.read`."""
        index = self._index[name]
        found = {s: d.read(index % len(d.names)) for s, d in self.domains.items()}
        return self._record(found, name)

    def drawn(self, index: int, seed: int) -> Record:
        """Read picture ``index`` of the first stain, and of each other stain one drawn at random.

        Args:
            index: Of the item.
            seed: Decides the draws.

        Raises:
            UnreadableFileError: If one cannot be read, and with "skip" if none can.
        """
        first, *others = self.domains
        rng = np.random.default_rng([seed, 3])
        chosen = {first: index} | {
            stain: int(rng.integers(len(self._names[stain]))) for stain in others
        }
        found = {stain: self._readable(stain, number) for stain, number in chosen.items()}
        return self._record(found, found[first][1].slide)

    def _readable(self, stain: str, index: int) -> tuple[Array, Place]:
        """A picture of a stain, or with "skip" the next that can be read."""
        names = self._names[stain]
        return self.readable(names, self.domains[stain].read, index % len(names))

    def _name(self, index: int) -> str:
        """Of an item: the names of its pictures."""
        names = [d.names[index % len(d.names)] for d in self.domains.values()]
        return "+".join(dict.fromkeys(names))

    @staticmethod
    def _record(found: Mapping[str, tuple[Array, Place]], name: str) -> Record:
        """Of what was read; the place is that of the first stain."""
        first = next(iter(found.values()))[1]
        stains = {stain: picture for stain, (picture, _) in found.items()}
        return Record(stains=stains, place=first._replace(slide=name))
