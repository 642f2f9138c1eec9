"""Random textures that are smooth at a chosen grain, at a cost linear in their area."""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy.special import ndtri

from histoseg.contracts import Array

# Of unit white noise under a Gaussian of sigma 1.
_SPREAD_OF_BLURRED = 1.0 / (2.0 * math.sqrt(math.pi))
_QUANTILES = ndtri((np.arange(256) + 0.5) / 256).astype(np.float32)


def white_noise(rng: np.random.Generator, *shape: int) -> Array:
    """Draw independent Gaussian values from 256 quantiles, a third of the time of exact ones.

    Args:
        rng: Source of randomness.
        shape: Size of each axis.

    Returns:
        ``shape``, float32 in [-2.9, 2.9], mean 0 and spread 0.99.
    """
    values: Array = _QUANTILES[rng.integers(0, 256, shape, dtype=np.uint8)]
    return values


def smooth_noise(rng: np.random.Generator, height: int, width: int, grain: float) -> Array:
    """Draw a Gaussian random field.

    Args:
        rng: Source of randomness.
        height: Pixels.
        width: Pixels.
        grain: Sigma of the field's blur in pixels, at least 0.6. Blobs are about 5 grains apart.

    Returns:
        (height, width), float32, mean 0 and spread 1 (nearly: cubic interpolation takes a little).

    Raises:
        ValueError: If ``grain`` is below 0.6, where a blur no longer smooths.
    """
    if grain < 0.6:
        raise ValueError(f"expected a grain of at least 0.6 pixels, got {grain}")
    if grain < 2.0:
        edge = 6
        white = white_noise(rng, height + 2 * edge, width + 2 * edge)
        field = cv2.GaussianBlur(white, (0, 0), grain)[edge : edge + height, edge : edge + width]
        return np.ascontiguousarray(field) * np.float32(grain / _SPREAD_OF_BLURRED)
    rows, cols = math.ceil(height / grain) + 7, math.ceil(width / grain) + 7
    coarse = cv2.GaussianBlur(white_noise(rng, rows, cols), (0, 0), 1.0)
    coarse = coarse[3:-3, 3:-3] / np.float32(_SPREAD_OF_BLURRED)
    size = math.ceil(coarse.shape[1] * grain), math.ceil(coarse.shape[0] * grain)
    field = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    top = int(rng.integers(field.shape[0] - height + 1))
    left = int(rng.integers(field.shape[1] - width + 1))
    return np.ascontiguousarray(field[top : top + height, left : left + width])


def fibre_noise(rng: np.random.Generator, across: Array, along: Array) -> Array:
    """Draw strands that follow a flow.

    Args:
        rng: Source of randomness.
        across: (H, W), float32. Position across the strands, in their thicknesses.
        along: (H, W), float32. Position along the strands, in the lengths over which they change.

    Returns:
        (H, W), float32, about mean 0 and spread 1.
    """
    edge = np.float32(2)
    x, y = across + (edge - across.min()), along + (edge - along.min())
    texture = smooth_noise(rng, int(y.max()) + 4, int(x.max()) + 4, 0.8)
    return cv2.remap(texture, x, y, cv2.INTER_LINEAR)


def jittered_grid(
    rng: np.random.Generator, box: tuple[float, float, float, float], spacing: float
) -> Array:
    """Scatter points evenly but not in rows.

    Args:
        rng: Source of randomness.
        box: Left, top, right, bottom in pixels.
        spacing: Mean distance of neighbours in pixels.

    Returns:
        (N, 2), float32, (x, y).
    """
    left, top, right, bottom = box
    cols, rows = math.ceil((right - left) / spacing) + 1, math.ceil((bottom - top) / spacing) + 1
    x, y = np.meshgrid(np.arange(cols, dtype=np.float32), np.arange(rows, dtype=np.float32))
    x += 0.5 * (y % 2)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    points += rng.uniform(-0.42, 0.42, points.shape).astype(np.float32) - rng.random(
        2, dtype=np.float32
    )
    return points * np.float32(spacing) + np.array([left, top], dtype=np.float32)
