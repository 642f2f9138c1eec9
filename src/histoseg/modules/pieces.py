"""How large a piece of a slide is that two models see one after the other."""

from __future__ import annotations

from typing import NamedTuple

from histoseg.modules.base import Module


class Pieces(NamedTuple):
    """Sizes in pixels of the segmenter.

    Attributes:
        tile: Side of a piece.
        seen: Side of its middle, which the segmenter sees: whole tiles of it.
        margin: What is lost of a piece at each side.
        row: Tiles along a side of the middle.
    """

    tile: int
    seen: int
    margin: int
    row: int


def pieces(segment: Module, largest: int, border: int, multiple: int) -> Pieces:
    """The largest pieces with whole tiles in the middle.

    Args:
        segment: Whose tiles they are.
        largest: Side of a piece.
        border: The least that is thrown away of what was translated, at each side.
        multiple: What the side of a piece has to divide by.

    Raises:
        ValueError: If not one tile fits.

    Example:
        A tile of 256 px with a margin of 46 gives 164; so five tiles make 912 of 1024.
    """
    step = segment.tile - 2 * segment.margin - segment.overlap
    side = largest // multiple * multiple
    for row in range(max(0, side - 2 * border - segment.tile) // step + 1, 0, -1):
        seen = segment.tile + (row - 1) * step
        least = -(-(seen + 2 * border) // multiple) * multiple
        least += (least - seen) % 2 * multiple  # as much at one side as at the other
        if least <= side and (least - seen) % 2 == 0:
            return Pieces(least, seen, (least - seen) // 2 + segment.margin, row)
    raise ValueError(
        f"a piece of {largest} px has no room for a tile of {segment.tile} px and a border of "
        f"{border} at each side: set model.picture higher, or model.border lower"
    )
