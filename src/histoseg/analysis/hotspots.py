"""Hotspots among windows of whole bins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histoseg.analysis.density import DensityGrid
from histoseg.analysis.hotspot import Allowed, Hotspot, Wanted
from histoseg.analysis.integral import integral_image, window_sums


def grid_hotspots(
    grid: DensityGrid,
    part: Sequence[int],
    whole: Sequence[int],
    wanted: Wanted,
    allowed: Allowed | None = None,
) -> list[Hotspot]:
    """Choose the best windows one after the other, none sharing area with one before.

    All windows of whole bins that lie in the image are compared, by an integral image. Of equal
    ones the upper, then the left one counts.

    Args:
        grid: Nuclei in bins.
        part: Classes that are looked for.
        whole: Classes that they are compared with.
        wanted: The window (multiples of a bin) and the rule.
        allowed: Leaves boxes out, those beyond the tissue.

    Returns:
        Best first; fewer than wanted where there are no more.

    Raises:
        ValueError: If the window is no multiple of the bin.
    """
    rows, columns = (side // grid.bin for side in wanted.window)
    if (rows * grid.bin, columns * grid.bin) != wanted.window or not rows or not columns:
        raise ValueError(f"window {wanted.window} is no multiple of the bin, {grid.bin} px")
    counts = [window_sums(integral_image(grid.number(k)), rows, columns) for k in (part, whole)]
    top = np.arange(counts[0].shape[0])[:, None] * grid.bin
    left = np.arange(counts[0].shape[1])[None] * grid.bin
    bottom, right = top + wanted.window[0], left + wanted.window[1]
    scores = wanted.scores(*counts)
    scores[
        np.broadcast_to((bottom > grid.size[0]) | (right > grid.size[1]), scores.shape)
    ] = -np.inf
    if allowed is not None and scores.size:
        scores[~allowed(left, top, right, bottom)] = -np.inf
    found: list[Hotspot] = []
    while len(found) < wanted.number and scores.size:
        row, column = (int(i) for i in np.unravel_index(int(scores.argmax()), scores.shape))
        if scores[row, column] == -np.inf:
            break
        x, y = column * grid.bin, row * grid.bin
        box = (x, y, x + wanted.window[1], y + wanted.window[0])
        numbers = (int(one[row, column]) for one in counts)
        found.append(Hotspot(box, float(scores[row, column]), *numbers))
        near = (
            slice(max(0, row - rows + 1), row + rows),
            slice(max(0, column - columns + 1), column + columns),
        )
        scores[near] = -np.inf
    return found
