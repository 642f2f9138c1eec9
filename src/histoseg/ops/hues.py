"""Colours for classes that nobody gave a colour."""

from __future__ import annotations

import colorsys


def hues(count: int) -> tuple[tuple[int, int, int], ...]:
    """Give as many pure colours, far apart, as RGB 0..255.

    Example:
        >>> hues(3)
        ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    """
    circle = [colorsys.hsv_to_rgb(k / count, 1, 1) for k in range(count)]
    return tuple((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in circle)
