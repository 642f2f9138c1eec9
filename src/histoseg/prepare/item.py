"""What every source of annotated images gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from histoseg.contracts import Array


class Drop(Protocol):
    """Something of an annotation that was left out."""

    @property
    def where(self) -> str:
        """The place in the file, such as "graphic 12"."""

    @property
    def why(self) -> str:
        """The reason, in words."""


@dataclass(frozen=True)
class Item:
    """One annotated image, as it is stored.

    Attributes:
        id: Names its files; unique in the set.
        image: (H, W, 3), uint8 RGB.
        instances: (H, W), integers. 0 is background; every other id is one nucleus.
        semantic: (H, W), integers 0..K: the class of each pixel. None in a set without classes.
        split: The published part that it belongs to; "" where none is published.
        group: What must not straddle splits (patient, slide); "" for an item on its own.
        tissue: Organ or tissue, where the source says it.
        mpp: Micrometres per pixel; None where the source does not say.
        ignore: (H, W), bool. True where nothing is to be scored; None where all is.
        points: (N, 3), float: x, y, class, in pixels; None but for sets of points.
        dropped: What was left out of the annotation.
    """

    id: str
    image: Array
    instances: Array
    semantic: Array | None = None
    split: str = ""
    group: str = ""
    tissue: str = ""
    mpp: float | None = None
    ignore: Array | None = None
    points: Array | None = None
    dropped: tuple[Drop, ...] = ()


@dataclass(frozen=True)
class RawItem:
    """One item as it was downloaded: found, not yet read.

    Attributes:
        id: As in `Item`; known without reading, so that what is done already can be skipped.
        files: What it is read from, the annotation last. Their sizes and times tell whether the
            item has to be written anew.
        read: Reads and converts it. Raises UnreadableFileError where it cannot; the other items
            go on.
    """

    id: str
    files: tuple[Path, ...]
    read: Callable[[], Item]


class Source(Protocol):
    """Reads one set as downloaded: a class in ``prepare/<name>.py``."""

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the items.

        Args:
            raw: Folder with what was downloaded and unzipped.

        Raises:
            DatasetNotFoundError: If the set is not there; says what was looked for.
        """
