"""3x3 matrices that move points (x, y) of one picture to another; pixel centres on integers."""

from __future__ import annotations

import math

import numpy as np

from histoseg.contracts import Array


def similarity(
    angle: float, scale: float, start: tuple[float, float], end: tuple[float, float]
) -> Array:
    """Turn and enlarge about a point, then move the point.

    Args:
        angle: Degrees, clockwise on the screen (x right, y down).
        scale: 2 doubles lengths.
        start: The point (x, y) that is turned about.
        end: Where it goes.

    Returns:
        (3, 3), float64.

    Example:
        >>> move(similarity(90, 2, (1, 1), (5, 5)), np.array([[2.0, 1.0]])).round(6)
        array([[5., 7.]])
    """
    turn = math.radians(angle)
    a, b = scale * math.cos(turn), scale * math.sin(turn)
    matrix = np.array([[a, -b, 0.0], [b, a, 0.0], [0.0, 0.0, 1.0]])
    matrix[:2, 2] = np.array(end) - matrix[:2, :2] @ np.array(start)
    return matrix


def shrinking(scale: tuple[float, float]) -> Array:
    """From pixels of a reduced picture to those of the full one.

    Args:
        scale: Full pixels per reduced pixel along x and y.

    Returns:
        (3, 3), float64.

    Example:
        >>> move(shrinking((4, 4)), np.array([[0.0, 0.0]]))
        array([[1.5, 1.5]])
    """
    sx, sy = scale
    return np.array([[sx, 0.0, (sx - 1) / 2], [0.0, sy, (sy - 1) / 2], [0.0, 0.0, 1.0]])


def move(matrix: Array, points_xy: Array) -> Array:
    """Move points by a matrix.

    Args:
        matrix: (3, 3).
        points_xy: (N, 2).

    Returns:
        (N, 2), float64.
    """
    return np.asarray(points_xy, float) @ matrix[:2, :2].T + matrix[:2, 2]


def parts_of(matrix: Array) -> tuple[float, float, float]:
    """Angle in degrees, scale, and shear of a matrix (0: a similarity).

    The scale is the square root of the determinant; the shear is the ratio of the longest to the
    shortest axis of what a circle becomes, less 1.

    Example:
        >>> [round(p, 6) + 0.0 for p in parts_of(similarity(30, 1.2, (0, 0), (5, 5)))]
        [30.0, 1.2, 0.0]
    """
    linear = matrix[:2, :2]
    u, axes, v = np.linalg.svd(linear)
    turn = u @ v
    angle = math.degrees(math.atan2(turn[1, 0], turn[0, 0]))
    return angle, math.sqrt(abs(np.linalg.det(linear))), float(axes[0] / max(axes[1], 1e-12) - 1)


def mean_distance(one: Array, other: Array, size: tuple[int, int]) -> float:
    """How far apart two matrices bring the pixels of a picture, on average.

    Args:
        one: (3, 3).
        other: (3, 3), from the same picture.
        size: (height, width) of the picture.

    Returns:
        Pixels, over a grid of 16 x 16 points from corner to corner.
    """
    ys, xs = (np.linspace(0, n - 1, 16) for n in size)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    return float(np.linalg.norm(move(one, grid) - move(other, grid), axis=1).mean())
