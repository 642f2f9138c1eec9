from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array

Allowed = Callable[[Array, Array, Array, Array], Array]
"""Whether boxes may be chosen: (left, top, right, bottom), broadcast, to bool."""


class Hotspot(NamedTuple):
    """A window that was chosen.

    Attributes:
        box: (left, top, right, bottom), px from the upper left corner of the image; right and
            bottom are exclusive.
        score: What it was chosen by.
        part: Nuclei in it of the classes that are looked for.
        whole: Nuclei in it of the classes that they are compared with.
    """

    box: tuple[int, int, int, int]
    score: float
    part: int
    whole: int


@dataclass(frozen=True)
class Wanted:
    """What is looked for.

    Attributes:
        window: (height, width), px.
        number: How many windows, at most.
        by: ``density`` takes the window with the most nuclei, ``ratio`` the one with the largest
            share of them among those they are compared with.
        least: Fewer nuclei (of ``whole``) in a window make it no hotspot.
    """

    window: tuple[int, int]
    number: int = 5
    by: str = "density"
    least: int = 1

    def scores(self, part: Array, whole: Array) -> Array:
        """Score of windows by their numbers; -inf for what is no hotspot, as where none is."""
        share = part / np.maximum(whole, 1)
        scores = part.astype(np.float64) if self.by == "density" else share
        return np.where((part > 0) & (whole >= self.least), scores, -np.inf)


def overlaps(left: Array, top: Array, window: tuple[int, int], boxes: Sequence[Hotspot]) -> Array:
    """Whether windows share area with any of the chosen: bool, of the shape of both broadcast."""
    height, width = window
    hit = np.zeros(np.broadcast_shapes(np.shape(left), np.shape(top)), np.bool_)
    for x0, y0, x1, y1 in (one.box for one in boxes):
        hit |= (left < x1) & (left + width > x0) & (top < y1) & (top + height > y0)
    return hit
