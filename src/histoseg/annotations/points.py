from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from histoseg.contracts import Array

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Points:
    """Where the objects of a file are and which class each has, without their outlines.

    Attributes:
        xy: (N, 2), float64: centres, pixels of the image, pixel centres on integers.
        kinds: (N,), int32. 0 for none, k for ``labels[k - 1]``.
        labels: Names of classes as the file says them, in the order they first come.
        colours: Of the labels whose colour the file says, by name.
        left_out: What else the file holds, in words.
        size: (height, width) of the image, where the file says it.
        mpp: Micrometres per pixel, where the file says it.
    """

    xy: Array
    kinds: Array
    labels: tuple[str, ...] = ()
    colours: dict[str, Colour] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    mpp: float | None = None

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.xy)

    def numbered(self, classes: Sequence[str]) -> Array:
        """The kinds as numbers of a list of classes: (N,), int32; -1 for a label not in it.

        A label that is a number is that class: HoVer-Net's files know classes by number only.
        """
        table = [0, *(class_number(label, classes) for label in self.labels)]
        return np.array(table, dtype=np.int32)[self.kinds]


def class_number(label: str, classes: Sequence[str]) -> int:
    """Number of a label in a list of classes 1..K; -1 where it is not in it."""
    if label in classes:
        return list(classes).index(label) + 1
    return int(label) if label.isdecimal() and 0 < int(label) <= len(classes) else -1
