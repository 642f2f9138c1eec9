"""Watershed from markers that floods only where two markers compete."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import watershed
from skimage.segmentation._watershed_cy import watershed_raveled

from histoseg.contracts import Array


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
    if _has_ties(landscape.ravel()[seeds[front]], component):
        # Which of two equally low seeds is first is decided by the layout of the heap, that is by
        # every other seed: only the whole map gives the same answer.
        whole: Array = watershed(landscape, markers, mask=components > 0)  # type: ignore[no-untyped-call]
        return whole.astype(np.int32, copy=False)
    _grow(terrain, framed, component, free, output)
    np.copyto(labels, output[1:-1, 1:-1], where=arena)
    return labels


def _has_ties(height: Array, component: Array) -> bool:
    if (np.diff(np.sort(height)) > 0).all():
        return False
    order = np.lexsort((component, height))
    height, component = height[order], component[order]
    return bool(((height[1:] == height[:-1]) & (component[1:] == component[:-1])).any())


def _grow(terrain: Array, seeds: Array, component: Array, free: Array, output: Array) -> None:
    """Flood ``output`` in place from seeds, one component after the other: small heaps are fast.

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
