"""What is done to the tiles of a slide before the network sees them."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array
from histoseg.engine.slides.read_tiles import Change
from histoseg.errors import SlideError
from histoseg.modules.base import Module
from histoseg.slides import Frame, Grid

SAMPLE = 64
"""Tiles, spread over the tissue, that stand for the stains of a slide."""


def find_change(module: Module, frame: Frame, grid: Grid, wanted: Array) -> Change | None:
    """Measure the stains of a slide, where the model normalises them: one change for all tiles.

    Args:
        module: With its ``normalise``.
        frame: The slide at the resolution of the model.
        grid: Where its tiles lie.
        wanted: (rows, columns), bool: which have tissue.

    Returns:
        Pixels to pixels; None where nothing is to be changed.

    Raises:
        SlideError: If ``normalise`` knows whole images alone.
        UnreadableFileError: If the slide is damaged.
    """
    cells = np.argwhere(wanted)
    if module.normalise is None or not len(cells):
        return None
    of_slide = getattr(module.normalise, "of_slide", None)
    if of_slide is None:
        raise SlideError(
            f"{frame.slide.path}: {type(module.normalise).__name__} normalises whole images alone:"
            " cut the slide into images, or give it a method of_slide (as"
            " histoseg.data.StainNormaliser has)"
        )
    some = cells[np.linspace(0, len(cells) - 1, min(SAMPLE, len(cells))).round().astype(int)]
    boxes = [grid.output_box(cell) for cell in some]
    tiles = [frame.read(b.left, b.top, b.width, b.height, outside="mirror") for b in boxes]
    change: Change | None = of_slide(np.concatenate(tiles))
    return change
