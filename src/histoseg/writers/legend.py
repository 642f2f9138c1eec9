"""Words in pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from histoseg.contracts import Array

LINE = 24  # height of a line of the legend, px
SQUARE = 12  # side of a colour sample, px
GAP = 8  # between things, px
FONT_SIZE = 14
SMALLEST = 10  # of a title that has to be fitted in


def legend(rows: Sequence[tuple[str, tuple[int, int, int]]], width: int) -> Array:
    """Set names beside squares of their colours, in as many lines as the width needs.

    Args:
        rows: Text and RGB colour of each.
        width: Of the strip, px; what is longer than a line is cut off.

    Returns:
        White strip (h, width, 3), uint8.
    """
    font = ImageFont.load_default(FONT_SIZE)
    places, x, y = [], GAP, 0
    for text, _ in rows:
        needed = SQUARE + GAP // 2 + int(font.getlength(text))
        if x > GAP and x + needed + GAP > width:
            x, y = GAP, y + LINE
        places.append((x, y))
        x += needed + 2 * GAP
    strip = Image.new("RGB", (width, y + LINE), "white")
    draw = ImageDraw.Draw(strip)
    for (text, colour), (left, top) in zip(rows, places, strict=True):
        upper = top + (LINE - SQUARE) // 2
        box = (left, upper, left + SQUARE - 1, upper + SQUARE - 1)
        draw.rectangle(box, fill=colour, outline="black")
        draw.text((left + SQUARE + GAP // 2, top + LINE // 2), text, "black", font, anchor="lm")
    return np.asarray(strip)


def title(text: str, width: int) -> Array:
    """Set a title in the middle of a white strip (LINE, width, 3), uint8.

    What is too long is set smaller, and then loses its middle, so that names stay apart.
    """
    strip = Image.new("RGB", (width, LINE), "white")
    shown, size, font = text, FONT_SIZE, ImageFont.load_default(FONT_SIZE)
    while font.getlength(shown) > width and size > SMALLEST:
        size -= 1
        font = ImageFont.load_default(size)
    while font.getlength(shown) > width and len(shown) > 3:
        half = (len(shown) - 2) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    ImageDraw.Draw(strip).text((width // 2, LINE // 2), shown, "black", font, anchor="mm")
    return np.asarray(strip)
