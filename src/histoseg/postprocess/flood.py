"""Watershed from markers that floods only where two markers compete."""

from __future__ import annotations

import cv2
import numpy as np
from skimage.segmentation import watershed

from histoseg.contracts import Array

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def flood(landscape: Array, markers: Array, components: Array) -> Array:
    """Grow markers over the components they lie in, lowest pixels first.

    The result is that of ``skimage.segmentation.watershed(landscape, markers, mask=components)``,
    pixel by pixel. Most of it needs no flooding: a component with one marker becomes that marker,
    and a marker pixel without a free neighbour has nothing to flood.

    Args:
        landscape: Height of each pixel (H, W), float64.
        markers: Marker ids (H, W), int32; 0 is none. Pixels outside the components are ignored.
        components: 4-connected components to fill (H, W), int32 >= 0, a number for each;
            0 is never filled.

    Returns:
        Ids (H, W), int32: in each component the nearest marker's, 0 where it has none.
    """
    foreground = components > 0
    pixel = np.flatnonzero(foreground & (markers > 0))
    marker, component = markers.ravel()[pixel], components.ravel()[pixel]
    owner = np.zeros(int(components.max(initial=0)) + 1, dtype=np.int32)
    owner[component] = marker
    contested = np.zeros(len(owner), dtype=bool)
    contested[component[owner[component] != marker]] = True
    labels = owner.take(components)
    if not contested.any():
        return labels
    arena = contested.take(components)
    seeded = arena & (markers > 0)
    free = arena & ~seeded
    front = seeded & cv2.dilate(free.view(np.uint8), CROSS, borderValue=0).view(bool)
    if _has_ties(landscape[front], components[front]):
        # Which of two equally low seeds is first is decided by the layout of the heap, that is by
        # every other seed: only the whole map gives the same answer.
        return _watershed(landscape, markers, foreground)
    grown = _watershed(landscape, markers * front, front | free)
    np.copyto(labels, markers, where=seeded)
    np.copyto(labels, grown, where=free)
    return labels


def _has_ties(height: Array, component: Array) -> bool:
    order = np.lexsort((component, height))
    height, component = height[order], component[order]
    return bool(((height[1:] == height[:-1]) & (component[1:] == component[:-1])).any())


def _watershed(landscape: Array, markers: Array, mask: Array) -> Array:
    labels: Array = watershed(landscape, markers, mask=mask)  # type: ignore[no-untyped-call]
    return labels.astype(np.int32, copy=False)
