"""Resampling pictures so that a pixel does not depend on the rectangle it is read in."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array

STRIP = 64
"""Rows that are made at once, so that what is between the two axes stays in the cache."""
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
        even = _taken(image, rows.place[:, 0]).swapaxes(0, 1)
        return np.ascontiguousarray(_taken(even, columns.place[:, 0]).swapaxes(0, 1))
    result = np.empty((len(rows.place), len(columns.place), 3), np.uint8)
    for start in range(0, len(result), STRIP):
        part = Taps(rows.place[start : start + STRIP], rows.weight[start : start + STRIP])
        # the axis that is mixed comes first: numpy is slow where the last axis is short
        mixed = _mixed(_turned(_mixed(image, part)), columns)
        mixed += np.float32(0.5)
        np.clip(mixed, 0, 255, out=mixed)
        result[start : start + STRIP] = mixed.swapaxes(0, 1)  # cuts off what is after the point
    return result


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


def _mixed(image: Array, taps: Taps) -> Array:
    """Weighted sums of the rows of an image (h, w, 3): (n, w, 3), float32."""
    flat = image.reshape(len(image), -1)
    total = np.zeros((len(taps.place), flat.shape[1]), np.float32)
    for place, weight in zip(taps.place.T, taps.weight.T, strict=True):
        total += _taken(flat, place) * weight[:, None]
    return total.reshape(len(total), *image.shape[1:])


def _turned(image: Array) -> Array:
    return np.ascontiguousarray(image.swapaxes(0, 1))


def _taken(image: Array, place: Array) -> Array:
    """``image[place]``, a view where the steps are even."""
    steps = np.diff(place)
    if len(steps) and steps[0] > 0 and (steps == steps[0]).all():
        return np.asarray(image[int(place[0]) : int(place[-1]) + 1 : int(steps[0])])
    return np.asarray(image[place])
