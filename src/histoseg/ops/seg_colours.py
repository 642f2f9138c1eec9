"""The colours in which DeepLIIF writes cells: red, blue and green on black."""

from __future__ import annotations

from typing import Final

import numpy as np

from histoseg.contracts import Array

BACKGROUND: Final = (0, 0, 0)
POSITIVE: Final = (255, 0, 0)
NEGATIVE: Final = (0, 0, 255)
BOUNDARY: Final = (0, 255, 0)
MOST_UNLIKE: Final = 0.05
"""Share of pixels above which a picture is not one of these colours. Edges that were blurred by a
resize mix two colours, in a per cent or two of the pixels; a white background is far above."""


def unlike_seg(picture: Array) -> float:
    """Share of pixels with two or three bright channels, which none of the four colours has.

    Args:
        picture: (H, W, 3), uint8.

    Returns:
        In [0, 1]; 1 for a gray picture that is not black.

    Example:
        >>> unlike_seg(np.array([[POSITIVE, (250, 3, 0), BACKGROUND, (255, 255, 0)]], np.uint8))
        0.25
    """
    bright = picture > 127
    red, green, blue = bright[..., 0], bright[..., 1], bright[..., 2]
    both = (red & green) | (blue & (red | green))
    return 1.0 if _colourless(picture) and picture.any() else float(both.mean())


def is_gray(picture: Array) -> bool:
    """Whether a picture (H, W, 3), uint8, shows something and has no colour at all.

    Example:
        >>> white, stripes = np.full((2, 2, 3), 255), np.arange(2)[:, None, None].repeat(3, axis=2)
        >>> is_gray(white), is_gray(stripes)
        (False, True)
    """
    return _colourless(picture) and bool(np.ptp(picture))


def _colourless(picture: Array) -> bool:
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    return np.array_equal(red, green) and np.array_equal(green, blue)


def strip_panels(picture: Array) -> int:
    """Number of square panels side by side of which one is a Seg picture, or that are all alike.

    0 for another picture. DeepLIIF's own test strips are one picture six times.

    Args:
        picture: (H, W, 3), uint8.

    Example:
        >>> tissue, seg = np.full((4, 4, 3), 200, np.uint8), np.zeros((4, 4, 3), np.uint8)
        >>> seg[1, 1] = POSITIVE
        >>> strip_panels(np.hstack([tissue, tissue, seg])), strip_panels(np.hstack([tissue] * 3))
        (3, 0)
    """
    height, width = picture.shape[:2]
    if width <= height or width % height:
        return 0
    panels = np.split(picture, width // height, axis=1)
    if np.ptp(picture) and all(np.array_equal(panels[0], p) for p in panels[1:]):
        return len(panels)
    return len(panels) * any(p.any() and unlike_seg(p) <= MOST_UNLIKE for p in panels)
