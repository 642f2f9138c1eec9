"""A source of five discs pictures of two patients, for tests of what is around a source."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fakes.discs import discs
from histoseg.errors import UnreadableFileError
from histoseg.prepare import Facts, Item, RawItem

FACTS = Facts("tiny", ("round", "other"), ((255, 0, 0), (0, 0, 255)), 0.25, "CC0", "made here")
COUNT = 5


@dataclass(frozen=True)
class Dropped:
    where: str
    why: str


class Tiny:
    """``<n>.txt`` holds the seed of picture n."""

    def items(self, raw: Path) -> Iterator[RawItem]:
        for path in sorted(raw.glob("*.txt")):
            yield RawItem(path.stem, (path,), partial(read, path))


def read(path: Path) -> Item:
    if not path.read_text().isdigit():
        raise UnreadableFileError(f"{path} holds no number")
    number = int(path.read_text())
    image, instances = discs(number, 72, 80, 6)
    return Item(
        id=path.stem,
        image=image,
        instances=instances,
        semantic=np.where(instances > 0, 1 + instances % 2, 0).astype(np.uint8),
        split="test" if number == COUNT - 1 else "train",
        group=f"p{number % 2}",
        tissue="colon",
        mpp=0.5 if number else None,
        ignore=instances == 1 if number == 1 else None,
        points=np.array([[1.5, 2.0, 1.0]]) if number == 2 else None,
        dropped=(Dropped("graphic 3", "not closed"),) if number == 3 else (),
    )


def write(raw: Path) -> Path:
    """The raw files."""
    raw.mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        (raw / f"i{number}.txt").write_text(str(number))
    return raw
