"""Contours through pixel centres -> outlines along pixel edges, for many objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely

from histoseg.contracts import Array

# Directions by (dy + 1, dx + 1), numbered against the clock from east = 0; -1 is none.
DIRECTION = np.array([[3, 2, 1], [4, -1, 0], [5, 6, 7]])
# Corners of a pixel in the order in which an outline with its object on the left walks round it:
# upper left, lower left, lower right, upper right.
CORNER_XY = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], dtype=np.int32)
# The corner by which the outline leaves a pixel, and the one by which it entered, per direction.
LEAVES = np.array([2, 3, 3, 0, 0, 1, 1, 2])
ENTERS = np.array([1, 1, 2, 2, 3, 3, 0, 0])

AT_ONCE = 4096  # contours worked on together: their points stay in the processor's cache


class Rings(NamedTuple):
    """Closed rings of N objects, one after the other.

    Attributes:
        points_xy: (M, 2), int32. Ring i is ``points_xy[offsets[i]:offsets[i + 1]]``; its last point
            repeats its first.
        offsets: (N + 1,), int64.
    """

    points_xy: Array
    offsets: Array


def edge_outlines(contours: Sequence[Array]) -> Rings:
    """Trace objects along the edges of their pixels.

    Pixel (x, y) covers [x, x + 1] × [y, y + 1], as in QuPath, so one pixel is a square of area 1
    and an object without holes has as much area as pixels. (A contour through pixel centres lies
    half a pixel inside and gives one pixel no area at all.)

    Args:
        contours: N arrays (K_i, 2) of (x, y), integers: outer contours through pixel centres, not
            closed, in either sense, with or without the points inside straight runs.

    Returns:
        Simple rings, no three points on a line. Where pixels of an object meet only at a corner,
        its largest part.

    Raises:
        ValueError: If a contour has no points.

    Example:
        >>> edge_outlines([np.array([[4, 7]])]).points_xy.tolist()
        [[4, 8], [5, 8], [5, 7], [4, 7], [4, 8]]
    """
    lengths = np.fromiter(map(len, contours), dtype=np.int64, count=len(contours))
    if not len(lengths):
        return Rings(np.zeros((0, 2), dtype=np.int32), np.zeros(1, dtype=np.int64))
    if not lengths.min():
        raise ValueError(f"contour {lengths.argmin()} has no points, expected at least one")
    parts = [
        _outline(contours[i : i + AT_ONCE], lengths[i : i + AT_ONCE])
        for i in range(0, len(lengths), AT_ONCE)
    ]
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    points = np.concatenate([part.points_xy for part in parts])
    return Rings(points, np.concatenate([[0], np.cumsum(sizes)]))


def _outline(contours: Sequence[Array], lengths: Array) -> Rings:
    points = np.concatenate(contours).astype(np.int32)
    chain, owner, exact = _pixel_chain(_object_left(points, lengths), lengths)
    return _simple(_closed(*_walk(chain, owner), len(lengths)), ~exact)


def _ring_steps(points: Array, starts: Array) -> Array:
    """Vector from each point to the next of its ring, the last to the first."""
    step = np.empty_like(points)
    np.subtract(points[1:], points[:-1], out=step[:-1])
    last = np.append(starts[1:], len(points)) - 1
    step[last] = points[starts] - points[last]
    return step


def _starts(lengths: Array) -> Array:
    return np.asarray(np.cumsum(lengths) - lengths)


def _directions(points: Array, starts: Array) -> tuple[Array, Array]:
    """Direction out of each point and into it."""
    step = np.sign(_ring_steps(points, starts)) + 1
    out = DIRECTION[step[:, 1], step[:, 0]]
    into = np.roll(out, 1)
    into[starts] = out[np.append(starts[1:], len(points)) - 1]
    return out, into


def _object_left(points: Array, lengths: Array) -> Array:
    """Turn rings round that have their object on the right."""
    starts = _starts(lengths)
    step = _ring_steps(points, starts)
    local = (points - np.repeat(points[starts], lengths, axis=0)).astype(np.int64)
    turned = np.add.reduceat(local[:, 0] * step[:, 1] - local[:, 1] * step[:, 0], starts) > 0
    if not turned.any():
        return points
    order = np.arange(len(points))
    backward = np.repeat(2 * starts + lengths - 1, lengths) - order
    return np.asarray(points[np.where(np.repeat(turned, lengths), backward, order)])


def _pixel_chain(points: Array, lengths: Array) -> tuple[Array, Array, Array]:
    """Fill in the pixels of slanted segments: pixels, ring of each, whether each ring is exact."""
    starts = _starts(lengths)
    step = _ring_steps(points, starts)
    across, down = np.abs(step).T
    long, short = np.maximum(across, down), np.minimum(across, down)
    repeats = np.where(short == 0, np.minimum(long, 1), long)
    exact = np.logical_and.reduceat((short == 0) | (short == long), starts)
    single = np.add.reduceat(repeats, starts) == 0
    repeats[starts[single]] = 1
    segment = np.repeat(np.arange(len(points)), repeats)
    k = (np.arange(len(segment)) - np.repeat(_starts(repeats), repeats)).astype(np.int32)[:, None]
    span = np.maximum(long[segment], 1)[:, None]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return points[segment] + (2 * k * step[segment] + span) // (2 * span), owner[segment], exact


def _walk(chain: Array, owner: Array) -> tuple[Array, Array]:
    """Corners passed when going round the chain, its object on the left, and the ring of each."""
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    out, into = _directions(chain, starts)
    sides = (LEAVES[out] - ENTERS[into]) % 4
    sides[(out % 2 == 1) & ((out - into) % 8 == 4)] = 4  # the tip of a slanted line
    sides[out < 0] = 4  # a single pixel
    pixel = np.repeat(np.arange(len(chain)), sides)
    nth = np.arange(len(pixel)) - np.repeat(_starts(sides), sides)
    return chain[pixel] + CORNER_XY[(ENTERS[into][pixel] + 1 + nth) % 4], owner[pixel]


def _closed(points: Array, owner: Array, count: int) -> Rings:
    """Keep the points where a ring turns, and repeat the first of each ring at its end."""
    starts = np.searchsorted(owner, np.arange(count))
    out, into = _directions(points, starts)
    turns = out != into
    points, owner = points[turns], owner[turns]
    starts = np.searchsorted(owner, np.arange(count))
    lengths = np.bincount(owner, minlength=count)
    ends = starts + lengths
    closed = np.insert(points, ends, points[starts], axis=0)
    return Rings(closed, np.concatenate([[0], np.cumsum(lengths + 1)]))


def _simple(rings: Rings, suspect: Array) -> Rings:
    """Replace rings that pass a point twice by the outline of their largest valid part."""
    points, offsets = rings
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    x, y = points.T.astype(np.int64)
    key = (owner << 50) | ((y - y.min()) << 25) | (x - x.min())
    key = np.sort(np.delete(key, offsets[1:] - 1))
    suspect = suspect.copy()
    suspect[key[1:][key[1:] == key[:-1]] >> 50] = True
    if not suspect.any():
        return rings
    pieces = np.split(points, offsets[1:-1])
    for i in np.flatnonzero(suspect):
        pieces[i] = _largest_part(pieces[i])
    lengths = [len(piece) for piece in pieces]
    return Rings(np.concatenate(pieces), np.concatenate([[0], np.cumsum(lengths)]))


def _largest_part(ring: Array) -> Array:
    parts = shapely.get_parts(shapely.make_valid(shapely.Polygon(ring)))
    outline = shapely.get_exterior_ring(parts[np.argmax(shapely.area(parts))])
    return np.asarray(shapely.get_coordinates(shapely.normalize(outline)).astype(np.int32))
