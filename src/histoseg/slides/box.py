from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle of whole pixels; right and bottom are exclusive.

    Example:
        >>> Box(0, 0, 4, 3).grown(1).clipped(Box(0, 0, 9, 9))
        Box(left=0, top=0, right=5, bottom=4)
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels from left to right; negative where the box is inside out."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels from top to bottom; negative where the box is inside out."""
        return self.bottom - self.top

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self.width <= 0 or self.height <= 0

    def grown(self, margin: int) -> Box:
        """The box with ``margin`` pixels more on each side."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)

    def clipped(self, to: Box) -> Box:
        """What it has in common with another; may be empty."""
        return Box(
            max(self.left, to.left),
            max(self.top, to.top),
            min(self.right, to.right),
            min(self.bottom, to.bottom),
        )

    def slices(self, whole: Box) -> tuple[slice, slice]:
        """Rows and columns of this box in an array that holds another."""
        rows = slice(self.top - whole.top, self.bottom - whole.top)
        return rows, slice(self.left - whole.left, self.right - whole.left)
