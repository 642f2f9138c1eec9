"""Size and form of many outlines at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.ops.outlines import Rings


class Shapes(NamedTuple):
    """Size and form of N objects.

    Attributes:
        area: (N,), float64, px²: of the outline along pixel edges; its pixels if it has no holes.
        perimeter: (N,), float64, px: length of the contour through pixel centres, plus π for the
            half pixel all round. (Along pixel edges a disc would measure 27 % too much.)
        eccentricity: (N,), float64 in [0, 1): of the ellipse with the same second moments; 0 is
            round.
        solidity: (N,), float64 in (0, 1]: area over that of the convex hull of the outline along
            pixel edges. Of a small disc 0.9, for its stairs.
    """

    area: Array
    perimeter: Array
    eccentricity: Array
    solidity: Array


def measure_shapes(contours: Sequence[Array], rings: Rings) -> Shapes:
    """Measure objects.

    Args:
        contours: N contours (K_i, 2) through pixel centres, not closed.
        rings: Their outlines, as `histoseg.ops.outlines.edge_outlines` gives them.

    Returns:
        The measures.

    Example:
        >>> from histoseg.ops.outlines import edge_outlines
        >>> line = [np.array([[0, 0], [3, 0]])]
        >>> measure_shapes(line, edge_outlines(line)).area
        array([4.])
    """
    if not len(contours):
        return Shapes(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))
    area, eccentricity = _moments(rings)
    solidity = np.minimum(area / _hull_areas(contours), 1)
    return Shapes(area, _lengths(contours) + np.pi, eccentricity, solidity)


def _hull_areas(contours: Sequence[Array]) -> Array:
    """Area of the convex hull of the pixels.

    The hull of a set of pixels is that of their centres, swept over by a pixel: its area grows by
    width and height, and by the pixel.
    """
    hulls = [cv2.convexHull(contour.astype(np.int32, copy=False)) for contour in contours]
    inner = np.array([cv2.contourArea(hull) for hull in hulls])
    sides = np.array([hull.max(axis=0)[0] - hull.min(axis=0)[0] for hull in hulls])
    return np.asarray(inner + sides.sum(axis=1) + 1)


def _lengths(contours: Sequence[Array]) -> Array:
    lengths = np.fromiter(map(len, contours), dtype=np.int64, count=len(contours))
    points = np.concatenate(contours).astype(np.float64)
    starts = np.cumsum(lengths) - lengths
    following = np.arange(1, len(points) + 1)
    following[starts + lengths - 1] = starts
    step = points[following] - points
    return np.add.reduceat(np.hypot(step[:, 0], step[:, 1]), starts)


def _moments(rings: Rings) -> tuple[Array, Array]:
    """Area and eccentricity by Green's theorem, about each ring's first point for precision."""
    starts = rings.offsets[:-1]
    origin = np.repeat(rings.points_xy[starts], np.diff(rings.offsets), axis=0)
    local = (rings.points_xy - origin).astype(np.float64)
    x, y = local.T
    u, v = np.append(local[1:], local[:1], axis=0).T
    cross = x * v - u * y
    cross[rings.offsets[1:] - 1] = 0  # from the end of a ring to the next ring is no edge

    def total(term: Array) -> Array:
        return np.asarray(np.add.reduceat(cross * term, starts))

    double = total(np.ones_like(x))
    cx, cy = total(x + u) / (3 * double), total(y + v) / (3 * double)
    xx = total(x * x + x * u + u * u) / (6 * double) - cx * cx
    yy = total(y * y + y * v + v * v) / (6 * double) - cy * cy
    xy = total(x * v + 2 * x * y + 2 * u * v + u * y) / (12 * double) - cx * cy
    spread = np.hypot(xx - yy, 2 * xy)
    ratio = np.clip(2 * spread / (xx + yy + spread), 0, 1)  # 1 - (minor / major)²
    return np.abs(double) / 2, np.sqrt(ratio)
