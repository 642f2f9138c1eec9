"""Windows that cover an image in steps, in the order of HoVer-Net's patch extraction."""

from __future__ import annotations

from typing import Literal

import numpy as np

from histoseg.contracts import Array

Border = Literal["mirror", "valid"]
Padding = tuple[tuple[int, int], tuple[int, int]]


def patch_padding(size: tuple[int, int], window: int, step: int, border: Border) -> Padding:
    """Say how far an image is continued by reflection before windows are cut of it.

    With "mirror" the middles (``step`` px) of all windows cover the image and do not leave it. An
    image smaller than ``step`` is continued further at the bottom and right, up to one window (the
    original cannot cut it).

    Args:
        size: Height and width of the image, px.
        window: Side of the square windows, px.
        step: From one window to the next, px; with "mirror" at most ``window``.
        border: "mirror", or "valid" for windows within the image only.

    Returns:
        Pixels above and below, left and right.

    Raises:
        ValueError: If window, step or border make no sense, or "valid" finds no place for a window.
    """
    if border not in ("mirror", "valid"):
        raise ValueError(f"border={border}: expected mirror or valid")
    if window < 1 or step < 1 or (border == "mirror" and step > window):
        raise ValueError(
            f"window={window} and step={step} must be positive, and with border=mirror the step "
            "at most the window"
        )
    if min(size) < (window if border == "valid" else 1):
        raise ValueError(
            f"an image of {size[0]} x {size[1]} px (height x width) holds no window of {window} "
            "px: use border=mirror"
        )
    if border == "valid":
        return (0, 0), (0, 0)
    before = (window - step) // 2
    (top, bottom), (left, right) = (
        (before, max(window - step, window - length) - before) for length in size
    )
    return (top, bottom), (left, right)


def patch_corners(size: tuple[int, int], window: int, step: int) -> Array:
    """List the windows of an image that is at least as large as one.

    First the regular grid, row by row; then, where the grid leaves a rest, windows flush with the
    bottom, windows flush with the right, and the one in the bottom right corner.

    Args:
        size: Height and width, px, of the image after `patch_padding`.
        window: Side of the square windows, px.
        step: From one window to the next, px.

    Returns:
        (N, 2), int64: row and column of each window's upper left corner.

    Source:
        vqdang/hover_net, ``misc/patch_extractor.py``.

    Example:
        >>> patch_corners((5, 4), window=2, step=2).tolist()
        [[0, 0], [0, 2], [2, 0], [2, 2], [3, 0], [3, 2]]
    """
    rows, columns = (np.arange(0, length - window + 1, step) for length in size)
    last_row, last_column = (np.array([length - window]) for length in size)
    row_rest, column_rest = ((length - window) % step for length in size)
    parts = [(rows, columns)]
    parts += [(last_row, columns)] if row_rest else []
    parts += [(rows, last_column)] if column_rest else []
    parts += [(last_row, last_column)] if row_rest and column_rest else []
    grids = [np.stack(np.meshgrid(r, c, indexing="ij"), axis=-1) for r, c in parts]
    return np.concatenate([grid.reshape(-1, 2) for grid in grids])
