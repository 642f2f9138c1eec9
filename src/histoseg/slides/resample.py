"""Resampling pictures so that a pixel does not depend on the rectangle it is read in."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array

_EXACT = 1e-9


class Taps(NamedTuple):
    """Which source pixels make each wanted pixel of an axis.

    Attributes:
        place: (n, K), int64. Indices into the source; those beyond its ends are moved to the ends.
        weight: (n, K), float32. Sum 1 in each row.
    """

    place: Array
    weight: Array


def taps(start: int, stop: int, ratio: float, length: int) -> Taps:
    """Say how the pixels start..stop-1 of an axis come from a source of another resolution.

    Wanted pixel i lies over [i * ratio, (i + 1) * ratio) of the source, both counted from pixel
    edges at 0. When shrinking it is the mean over that stretch, parts of pixels weighted as such;
    when enlarging it is the cubic (Keys, a = -1/2) through the four source pixels about its centre.
    Everything is computed from i itself, so a part gives what the whole gives.

    Args:
        start: First wanted pixel.
        stop: One past the last.
        ratio: Source pixels in a wanted pixel.
        length: Pixels of the source.

    Example:
        >>> taps(0, 2, 1.5, 3).place.tolist()
        [[0, 1, 2], [1, 2, 2]]
        >>> taps(0, 2, 1.5, 3).weight.round(2).tolist()
        [[0.67, 0.33, 0.0], [0.33, 0.67, 0.0]]
    """
    wanted = np.arange(start, stop, dtype=np.int64)
    index, weight = _mean(wanted, ratio) if ratio >= 1 - _EXACT else _cubic(wanted, ratio)
    return Taps(index.clip(0, length - 1), weight.astype(np.float32))


def resampled(image: Array, rows: Taps, columns: Taps) -> Array:
    """Resample along both axes.

    Args:
        image: (h, w, 3), uint8.
        rows: Of the wanted rows, (n, K), indices into ``image``.
        columns: Of the wanted columns, (m, K).

    Returns:
        (n, m, 3), uint8, rounded half up.
    """
    if rows.place.shape[1] == columns.place.shape[1] == 1:
        return np.ascontiguousarray(
            _along(_along(image, rows.place[:, 0], 0), columns.place[:, 0], 1)
        )
    mixed = _mixed(_mixed(image, rows, 0), columns, 1)
    mixed += np.float32(0.5)
    return mixed.clip(0, 255, out=mixed).astype(np.uint8)


def reflected(start: int, stop: int, length: int) -> Array:
    """Indices start..stop-1 mirrored into 0..length-1, the end pixels not repeated: int64.

    Example:
        >>> reflected(-2, 6, 4).tolist()
        [2, 1, 0, 1, 2, 3, 2, 1]
    """
    period = max(2 * (length - 1), 1)
    position = np.arange(start, stop, dtype=np.int64) % period
    return np.minimum(position, period - position) if length > 1 else np.zeros_like(position)


def _mean(wanted: Array, ratio: float) -> tuple[Array, Array]:
    whole = round(ratio)
    if abs(ratio - whole) < _EXACT:
        index = wanted[:, None] * whole + np.arange(whole)
        return index, np.full(index.shape, 1 / whole)
    low, high = wanted * ratio, (wanted + 1) * ratio
    index = np.floor(low).astype(np.int64)[:, None] + np.arange(math.ceil(ratio) + 1)
    covered = np.minimum(high[:, None], index + 1) - np.maximum(low[:, None], index)
    covered = covered.clip(min=0)
    return index, covered / covered.sum(1, keepdims=True)


def _cubic(wanted: Array, ratio: float) -> tuple[Array, Array]:
    centre = (wanted + 0.5) * ratio - 0.5
    base = np.floor(centre)
    t = centre - base
    weight = np.stack(
        [
            ((2 - t) * t - 1) * t / 2,
            ((3 * t - 5) * t * t + 2) / 2,
            ((4 - 3 * t) * t + 1) * t / 2,
            (t - 1) * t * t / 2,
        ],
        axis=1,
    )
    return base.astype(np.int64)[:, None] + np.arange(-1, 3), weight


def _mixed(image: Array, taps: Taps, axis: int) -> Array:
    shape = [1, 1, 1]
    shape[axis] = -1
    total: Array | None = None
    for index, weight in zip(taps.place.T, taps.weight.T, strict=True):
        part = _along(image, index, axis) * weight.reshape(shape)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


def _along(image: Array, index: Array, axis: int) -> Array:
    """``image.take(index, axis)``, a view where the steps are even."""
    steps = np.diff(index)
    if len(steps) and steps[0] > 0 and (steps == steps[0]).all():
        where = slice(int(index[0]), int(index[-1]) + 1, int(steps[0]))
        return image[where] if axis == 0 else image[:, where]
    return image.take(index, axis)
