"""Boxes around regions: label text files of the sub-image tool, and outlines of ImageJ."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from histoseg.annotations.drawing import Drawing
from histoseg.errors import UnreadableFileError

HEADER = ("class", "x", "y", "w", "h")
_FIELDS = len(HEADER)


class Box(NamedTuple):
    """A rectangle of pixels; right and bottom are exclusive, and all may lie outside the image."""

    label: str
    left: int
    top: int
    right: int
    bottom: int

    def within(self, size: tuple[int, int], padding: int = 0) -> Box:
        """The same, larger by some pixels on each side, cut at the edges of an image (h, w)."""
        height, width = size
        return Box(
            self.label,
            min(max(self.left - padding, 0), width),
            min(max(self.top - padding, 0), height),
            min(max(self.right + padding, 0), width),
            min(max(self.bottom + padding, 0), height),
        )


def read_boxes(path: Path) -> list[Box]:
    """Read a label file: ``Class,X,Y,W,H``, then class, centre, width and height of each box.

    Rows may end in a comma. Edges are the centre less and plus half the size, decimals cut off.

    Args:
        path: Text, usually ``<stem>--labels.txt``.

    Returns:
        Boxes in the order of the file.

    Raises:
        UnreadableFileError: If it cannot be read, or a row is no box; names the row.

    Source:
        wdlcameron/Cell-Segmentation-Using-Deep-Learning.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{path} cannot be read as text: {error}") from error
    boxes = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.strip().rstrip(",").split(",")]
        header = number == 1 and tuple(cell.casefold() for cell in cells) == HEADER
        if header or cells == [""]:
            continue
        try:
            label, x, y, w, h = cells
            centre, side = np.array([float(x), float(y)]), np.array([float(w), float(h)])
        except ValueError as error:
            raise UnreadableFileError(
                f"{path}, row {number}: {line!r}; expected class, x, y, width, height"
            ) from error
        if not (np.isfinite([*centre, *side]).all() and (side > 0).all()):
            raise UnreadableFileError(f"{path}, row {number}: {line!r} is a box without area")
        low, high = (
            (centre - side / 2).astype(int).tolist(),
            (centre + side / 2).astype(int).tolist(),
        )
        boxes.append(Box(label, *low, *high))
    return boxes


def boxes_of(drawing: Drawing) -> list[Box]:
    """The box of each area of a drawing: all pixels that it touches."""
    boxes = []
    for shape in drawing.shapes:
        if shape.kind != "point":
            low = np.floor(shape.exterior_xy.min(axis=0) + 0.5).astype(int).tolist()
            high = np.ceil(shape.exterior_xy.max(axis=0) + 0.5).astype(int).tolist()
            boxes.append(Box(shape.label or "1", *low, *high))
    return boxes
