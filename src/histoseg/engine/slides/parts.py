from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from histoseg.contracts import Array, LabelPart, Nuclei, StainPart
from histoseg.engine.slides.part import Calls, Part, read_picture, read_stamp
from histoseg.postprocess.decoder import Decoder, Settling

log = logging.getLogger(__name__)
SEMANTIC = "semantic"
STAIN = "stain/"


@dataclass(frozen=True)
class Parts:
    """The part files of a slide, one for each region.

    Attributes:
        folder: Where they lie.
        stamp: Of what decides the result; files with another one do not count.
        numbers: Of the regions, in order.
        calls: Thresholds of the whole slide, which drop and re-class nuclei; None for none.
    """

    folder: Path
    stamp: str
    numbers: tuple[int, ...]
    calls: Calls | None = None

    def settled(self, decoder: Decoder) -> Parts:
        """With the thresholds that the nuclei of all regions give, if the model has such."""
        if not (isinstance(decoder.postprocess, Settling) and self.numbers):
            return self
        counts: Array | None = None
        for part in self._read(labels=False):
            if part.marker_counts is not None:
                counts = part.marker_counts + (0 if counts is None else counts)
        calls = decoder.postprocess.settle((p.nuclei for p in self._read(labels=False)), counts)
        log.info("%s: thresholds are %s", self.folder.name, calls)
        return replace(self, calls=calls)

    def path(self, number: int) -> Path:
        """Of the part file of a region."""
        return self.folder / f"{number}.npz"

    def missing(self, numbers: Sequence[int] | None = None) -> list[int]:
        """Regions that are still to be done."""
        asked = self.numbers if numbers is None else numbers
        return [n for n in asked if read_stamp(self.path(n)) != self.stamp]

    def remove(self) -> None:
        """Remove them all, once their content is in the results."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def nuclei(self) -> Iterator[Nuclei]:
        """The nuclei of each region, numbered 1, 2, ... over the slide."""
        return (part.nuclei for part in self._parts(labels=False))

    def labels(self) -> Iterator[LabelPart]:
        """The label maps of each region, with the ids of `nuclei`."""
        return (part.labels for part in self._parts(labels=True))

    def classes(self) -> Iterator[LabelPart]:
        """The class of each pixel of the cores."""
        for number in self.numbers:
            yield LabelPart(*read_picture(self.path(number), SEMANTIC))

    def stain(self, name: str) -> Iterator[StainPart]:
        """A picture of the cores."""
        for number in self.numbers:
            yield StainPart(*read_picture(self.path(number), f"{STAIN}{name}"))

    def _read(self, *, labels: bool) -> Iterator[Part]:
        return (Part.read(self.path(number), labels=labels) for number in self.numbers)

    def _parts(self, *, labels: bool) -> Iterator[Part]:
        first = 1
        for part in self._read(labels=labels):
            if self.calls is not None:
                part = part.called(self.calls)
            yield part.numbered(first)
            first += len(part.nuclei)
