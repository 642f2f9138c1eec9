"""Which squares a picture is cut into, by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from histoseg.contracts import Array
from histoseg.data.tile import cut

Order = Literal["columns", "rows"]
Edge = Literal["drop", "mirror", "overlap"]


@dataclass(frozen=True)
class PatchGrid:
    """Patches of a square picture.

    Attributes:
        side: Of the picture, px.
        patch: Of a patch, px; None for the whole picture.
        order: ``columns`` counts down the first column, then the next; ``rows`` along the rows.
        edge: What is done where ``side`` is no multiple of ``patch``: ``drop`` what is left over,
            ``mirror`` the picture, or let patches ``overlap`` evenly.

    Raises:
        ValueError: If there is no patch, or a word is unknown.

    Example:
        >>> [PatchGrid(1024, 512).corner(number) for number in range(4)]
        [(0, 0), (512, 0), (0, 512), (512, 512)]
    """

    side: int
    patch: int | None
    order: Order = "columns"
    edge: Edge = "drop"

    def __post_init__(self) -> None:
        """Refuse what gives no patch."""
        if not 1 <= (self.patch or self.side) <= self.side:
            raise ValueError(f"a patch of {self.patch} px does not fit a picture of {self.side}")
        for value, known in ((self.order, Order), (self.edge, Edge)):
            if value not in get_args(known):
                raise ValueError(f"{value!r} is not one of {get_args(known)}")

    @property
    def starts(self) -> list[int]:
        """First rows (and columns) of the patches."""
        patch = self.patch or self.side
        whole, more = divmod(self.side, patch)
        if not more or self.edge == "drop":
            return [patch * i for i in range(whole)]
        if self.edge == "mirror":
            return [patch * i for i in range(whole + 1)]
        return [round(i * (self.side - patch) / whole) for i in range(whole + 1)]

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.starts) ** 2

    def corner(self, number: int) -> tuple[int, int]:
        """First row and first column of a patch."""
        starts = self.starts
        major, minor = divmod(number, len(starts))
        row, column = (minor, major) if self.order == "columns" else (major, minor)
        return starts[row], starts[column]

    def cut(self, picture: Array, number: int) -> Array:
        """Cut a patch of a picture (side, side, 3)."""
        if self.patch is None:
            return picture
        return np.ascontiguousarray(cut(picture, *self.corner(number), self.patch))
