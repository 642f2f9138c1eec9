"""Classes of points, given to the nuclei of an instance map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from histoseg.contracts import Array


@dataclass(frozen=True)
class Joined:
    """Which nucleus got which class.

    Attributes:
        class_of: (highest id + 1,), uint8. Class by id; 0 for a nucleus that no point belongs to.
        unjoined: (M,), int64. Rows of the points that belong to no nucleus, ascending.
        why: In words, why a point does not.
    """

    class_of: Array
    unjoined: Array
    why: str


def join_points(instances: Array, points: Array, radius: float) -> Joined:
    """Give each nucleus the class of its point.

    A point inside a nucleus belongs to it; of several, the one nearest to its centre. A point in no
    nucleus belongs to the nearest nucleus that has none yet, if a pixel of it lies within the
    radius; of several points that want one nucleus the nearest has it. Each point and each
    nucleus is joined once at most.

    Args:
        instances: (H, W), int32. 0 is background.
        points: (N, 3): x, y in pixels, and class above 0.
        radius: In pixels, inclusive.

    Returns:
        Classes by id, and the points that are left.

    Example:
        >>> nuclei = np.array([[5, 5, 0, 0, 0, 7, 7]])
        >>> joined = join_points(nuclei, np.array([[1, 0, 2], [4, 0, 3], [3, 0, 1]]), radius=1)
        >>> joined.class_of[[5, 7]], joined.unjoined
        (array([2, 3], dtype=uint8), array([2]))
    """
    class_of = np.zeros(int(instances.max(initial=0)) + 1, dtype=np.uint8)
    owner = np.zeros(len(points), dtype=np.int64)
    height, width = instances.shape
    column, row = (np.rint(points[:, axis]).astype(np.int64) for axis in (0, 1))
    there = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    inside = np.zeros(len(points), dtype=np.int64)
    inside[there] = instances[row[there], column[there]]
    centres = _centres(instances, inside)
    _join(owner, inside, np.hypot(*(points[:, :2] - centres).T))
    while True:  # a nucleus that a nearer point has taken sends the others to their next
        free = np.where(np.isin(instances, owner[owner > 0]), 0, instances)
        nearest, distance = _nearest(free, points)
        wants = (inside == 0) & (owner == 0) & (distance <= radius)
        if not wants.any():
            break
        _join(owner, np.where(wants, nearest, 0), distance)
    joined = owner > 0
    class_of[owner[joined]] = points[joined, 2]
    why = f"it lies in no nucleus, nor within {radius:g} px of one that has no point yet"
    return Joined(class_of, np.flatnonzero(~joined), why)


def _join(owner: Array, wanted: Array, cost: Array) -> None:
    """Give each wanted nucleus (0: none) to the cheapest of the points that want it."""
    order = np.argsort(cost, kind="stable")
    order = order[wanted[order] > 0]
    nuclei, first = np.unique(wanted[order], return_index=True)
    owner[order[first]] = nuclei


def _centres(instances: Array, ids: Array) -> Array:
    """Centre (x, y) of the nucleus of each id; of 0, the origin."""
    used, place = np.unique(ids, return_inverse=True)
    centres = np.zeros((len(used), 2))
    if (used > 0).any():
        found = ndimage.center_of_mass(instances > 0, instances, used[used > 0])
        centres[used > 0] = np.array(found)[:, ::-1]
    return centres[place]


def _nearest(labels: Array, points: Array) -> tuple[Array, Array]:
    """The nucleus whose pixel is nearest to each point, and its distance; 0 and inf without any."""
    nowhere = np.zeros(len(points), dtype=np.int64), np.full(len(points), np.inf)
    pixels = np.argwhere(labels > 0)[:, ::-1]
    if not len(pixels) or not len(points):
        return nowhere
    distance, index = cKDTree(pixels).query(points[:, :2])
    x, y = pixels[index].T
    return labels[y, x].astype(np.int64), distance
