"""What a person or a program drew on an image, whatever the file it was kept in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from histoseg.contracts import Array


@dataclass(frozen=True)
class Dropped:
    """Something a file holds that was left out.

    Attributes:
        where: Its place in the file: "graphic 12".
        why: In words.
    """

    where: str
    why: str


@dataclass(frozen=True, eq=False)  # one is the same only as itself
class Shape:
    """One drawn object. Coordinates are pixels of the image, (x, y), pixel centres on integers.

    Attributes:
        kind: Ellipses and rectangles are polygons too.
        exterior_xy: (K, 2), float64, finite, not closed; one row for a point.
        holes_xy: Further rings of the object, each (K_i, 2), by the even-odd rule: a ring within
            the outline is a hole, one outside it is a part that lies apart.
        label: Name of its class, as the file says it.
        colour: Of its pen or class, RGB of 0..255, as the file says it.
        score: How sure a program is of it, in [0, 1], where the file says it.
        number: Its id, 1 or more, where the file gives whole numbers.
        where: Its place in the file, for messages: "graphic 12".
        detected: Whether the file says that it is an object that a program found, and so no region
            that a person drew around objects.
    """

    kind: Literal["polygon", "point"]
    exterior_xy: Array
    holes_xy: tuple[Array, ...] = ()
    label: str | None = None
    colour: tuple[int, int, int] | None = None
    score: float | None = None
    number: int | None = None
    where: str = ""
    detected: bool = False

    def scaled(self, factor_xy: tuple[float, float]) -> Shape:
        """The same object on an image that is ``factor_xy`` times as wide and high."""
        rings = [(r + 0.5) * factor_xy - 0.5 for r in (self.exterior_xy, *self.holes_xy)]
        return replace(self, exterior_xy=rings[0], holes_xy=tuple(rings[1:]))


@dataclass(frozen=True)
class Drawing:
    """The content of an annotation file.

    Attributes:
        shapes: What can be used, in the order of the file.
        dropped: What cannot, and why.
        size: (height, width) of the image, where the file says it.
        mpp: Micrometres per pixel of the image, where the file says it.
        image: Name of the image, where the file says it.
    """

    shapes: tuple[Shape, ...]
    dropped: tuple[Dropped, ...] = ()
    size: tuple[int, int] | None = None
    mpp: float | None = None
    image: str | None = None
