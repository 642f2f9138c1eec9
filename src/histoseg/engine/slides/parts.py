from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoseg.contracts import LabelPart, Nuclei, StainPart
from histoseg.engine.slides.part import Part, read_picture, read_stamp

SEMANTIC = "semantic"
STAIN = "stain/"


@dataclass(frozen=True)
class Parts:
    """The part files of a slide, one for each region.

    Attributes:
        folder: Where they lie.
        stamp: Of what decides the result; files with another one do not count.
        numbers: Of the regions, in order.
    """

    folder: Path
    stamp: str
    numbers: tuple[int, ...]

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
        return (part.nuclei for part in self._parts())

    def labels(self) -> Iterator[LabelPart]:
        """The label maps of each region, with the ids of `nuclei`."""
        return (part.labels for part in self._parts())

    def classes(self) -> Iterator[LabelPart]:
        """The class of each pixel of the cores."""
        for number in self.numbers:
            yield LabelPart(*read_picture(self.path(number), SEMANTIC))

    def stain(self, name: str) -> Iterator[StainPart]:
        """A picture of the cores."""
        for number in self.numbers:
            yield StainPart(*read_picture(self.path(number), f"{STAIN}{name}"))

    def _parts(self) -> Iterator[Part]:
        first = 1
        for number in self.numbers:
            part = Part.read(self.path(number))
            yield part.numbered(first)
            first += len(part.nuclei)
