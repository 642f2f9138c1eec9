"""Watershed from markers that floods only where two markers compete."""

from __future__ import annotations

from typing import Any

import numpy as np
from skimage.segmentation import watershed

from histoseg.contracts import Array

try:  # the kernel of `watershed`, which is not public: without it all is slower, and the same
    from skimage.segmentation._watershed_cy import watershed_raveled
except ImportError:
    watershed_raveled: Any = None  # type: ignore[no-redef]

_TRIED = 32  # tied pairs, each in a component of its own


def flood(landscape: Array, markers: Array, components: Array) -> Array:
    """Grow markers over the components they lie in, lowest pixels first.

    The result is that of ``skimage.segmentation.watershed(landscape, markers, mask=components)``,
    pixel by pixel. Most of it needs no flooding: a component with one marker becomes that marker,
    and a marker pixel without a free neighbour has nothing to flood. The rest is flooded one
    component after the other, so that time grows with the number of pixels and not faster.

    Args:
        landscape: Height of each pixel (H, W), float64.
        markers: Marker ids (H, W), int32; 0 is none. Pixels outside the components are ignored.
        components: 4-connected components to fill (H, W), int32 >= 0, a number for each;
            0 is never filled.

    Returns:
        Ids (H, W), int32: in each component the nearest marker's, 0 where it has none.
    """
    seeds = np.flatnonzero(markers != 0)
    component = components.ravel()[seeds]
    seeds, component = seeds[component > 0], component[component > 0]
    marker = markers.ravel()[seeds]
    owner = np.zeros(int(components.max(initial=0)) + 1, dtype=np.int32)
    owner[component] = marker
    contested = np.zeros(len(owner), dtype=bool)
    contested[component[owner[component] != marker]] = True
    labels = owner.take(components)
    if not contested.any():
        return labels
    rivals = contested[component]
    seeds, component, marker = seeds[rivals], component[rivals], marker[rivals]
    arena = contested.take(components)
    # A frame of nothing, so that every pixel has four neighbours.
    height, width = landscape.shape
    framed = seeds + 2 * (seeds // width) + width + 3
    output, free, terrain = (
        np.zeros((height + 2, width + 2), dtype) for dtype in (np.int32, np.int8, np.float64)
    )
    free[1:-1, 1:-1] = arena
    free.ravel()[framed] = 0
    output.ravel()[framed] = marker
    terrain[1:-1, 1:-1] = landscape
    front = np.zeros(len(framed), dtype=bool)
    for step in (-width - 2, -1, 1, width + 2):
        front |= free.ravel().take(framed + step) > 0
    framed, component = framed[front], component[front]
    ties = None if watershed_raveled is None else _ties(landscape.ravel()[seeds[front]], component)
    grown = None if ties is None else _grow(terrain, framed, component, free, output, ties)
    if grown is None:
        whole: Array = watershed(landscape, markers, mask=components > 0)  # type: ignore[no-untyped-call]
        return whole.astype(np.int32, copy=False)
    np.copyto(labels, grown[1:-1, 1:-1], where=arena)
    return labels


def _ties(height: Array, component: Array) -> Array | None:
    """Pairs (T, 2) of equally low seeds of one component; None if there are too many to try.

    Which of two equally low seeds is first is decided by the layout of the heap, that is by every
    other seed of the map. One pair can be tried in both orders.
    """
    low = np.sort(height)
    if (low[1:] > low[:-1]).all():
        return np.zeros((0, 2), dtype=np.int64)
    order = np.lexsort((component, height))
    height, component = height[order], component[order]
    same = (component[1:] == component[:-1]) & (height[1:] == height[:-1])
    first = np.flatnonzero(same)
    if len(first) > _TRIED or len(np.unique(component[first])) < len(first):
        return None
    # A seed is raised to the next number to come second: it must not meet another there.
    there = height == np.nextafter(height[first], np.inf)[:, None]
    if (there & (component == component[first, None])).any():
        return None
    return np.column_stack([order[first], order[first + 1]])


def _grow(
    terrain: Array, seeds: Array, component: Array, free: Array, output: Array, ties: Array
) -> Array | None:
    """Flood ``output`` in place; None if the order of tied seeds decides where something goes."""
    tied = np.isin(component, component[ties[:, 0]])
    _flood_each(terrain, seeds[~tied], component[~tied], free, output)
    if not len(ties):
        return output
    results = []
    for second in ties.T:
        raised, result = terrain.copy(), output.copy()
        raised.ravel()[seeds[second]] = np.nextafter(terrain.ravel()[seeds[second]], np.inf)
        _flood_each(raised, seeds[tied], component[tied], free, result)
        results.append(result)
    return results[0] if np.array_equal(results[0], results[1]) else None


def _flood_each(terrain: Array, seeds: Array, component: Array, free: Array, output: Array) -> None:
    """Flood one component after the other, in place: small heaps are fast.

    What ``watershed`` calls inside, on the same arrays for each component: its own checks and
    copies of the whole map would cost more than the flooding.
    """
    order = np.argsort(component, kind="stable")
    parts = np.split(seeds[order], np.flatnonzero(np.diff(component[order])) + 1)
    width = terrain.shape[1]
    neighbours = np.array([-width, -1, 1, width])  # in the order of scikit-image
    strides = np.array([width, 1])
    for part in parts:
        watershed_raveled(
            terrain.ravel(), part, neighbours, free.ravel(), strides, 0.0, output.ravel(), False
        )
