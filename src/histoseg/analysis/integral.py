"""Sums of rectangles in constant time each."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array


def integral_image(values: Array) -> Array:
    """Sums of all rectangles that start in the corner.

    Args:
        values: (rows, columns), whole numbers or bool.

    Returns:
        (rows + 1, columns + 1), int64: [r, c] is the sum of ``values[:r, :c]``.
    """
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1), np.int64)
    np.cumsum(values, axis=0, dtype=np.int64, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    return sums


def window_sums(sums: Array, rows: int, columns: int) -> Array:
    """Sum of every window of a size that lies within.

    Args:
        sums: As of `integral_image`.
        rows: Of the window, at least 1.
        columns: Of the window, at least 1.

    Returns:
        int64: [r, c] is the sum of the window whose upper left value is [r, c]; empty where the
        window is larger than the whole.

    Example:
        >>> window_sums(integral_image(np.array([[1, 2, 3], [4, 5, 6]])), 2, 2)
        array([[12, 16]])
    """
    if rows >= sums.shape[0] or columns >= sums.shape[1]:
        return np.zeros((0, 0), np.int64)
    below, above = sums[rows:], sums[:-rows]
    return np.asarray(
        below[:, columns:] - below[:, :-columns] - above[:, columns:] + above[:, :-columns]
    )
