"""Pictures of DeepLIIF's cells: outlines over the original, and the classes drawn clean."""

from __future__ import annotations

import cv2
import numpy as np

from histoseg.contracts import Array, Nuclei
from histoseg.postprocess.deepliif_pixels import NEGATIVE, POSITIVE

INSIDE, OUTLINE = (POSITIVE, NEGATIVE), (3, 4)
"""Values of a class mask, positive and negative."""
FOUR = ((-1, 0), (0, -1), (0, 1), (1, 0))  # (dy, dx), in raster order
EIGHT = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
WIDER = 2
"""By how many pixels the first outline is widened."""
RED, BLUE, GREEN, BLACK = (255, 0, 0), (0, 0, 255), (0, 255, 0), (0, 0, 0)


def class_mask(labels: Array, semantic: Array, covered: Array) -> Array:
    """Give each pixel of the cells, and three pixels around them, its class.

    The outline lies outside the cells, on background only: what is covered but is no cell that
    counts stays 0 and stops it. The first pixel of a cell is drawn as outline too.

    Args:
        labels: (H, W), int32. Cells that count; a smaller id is of a cell that comes first.
        semantic: Class of each cell, (N,), 1 positive or 2 negative, in ascending order of ids.
        covered: (H, W), bool. All that is no background.

    Returns:
        (H, W), uint8: 0, 1 positive, 2 negative, 3 and 4 their outlines.

    Source:
        nadeemlab/DeepLIIF 1.2.6, pixel by pixel.
    """
    kinds = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.uint8)
    pixel = np.flatnonzero(labels)
    first = np.zeros(len(kinds), dtype=np.int64)
    first[labels.ravel()[pixel[::-1]]] = pixel[::-1]  # the last to be assigned is what stays
    ids = np.flatnonzero(np.bincount(labels.ravel()[pixel], minlength=len(kinds)))
    kinds[ids] = semantic
    mask = kinds.take(labels)
    spreading = labels.copy()
    spreading.ravel()[first[ids]] = 0
    nearest = kinds.take(_smallest_around(spreading))
    rim = ~covered & (nearest > 0)
    mask[rim] = nearest[rim] + 2
    mask.ravel()[first[ids]] += 2
    for _ in range(WIDER):
        mask = _wider(mask, covered)
    return mask


def overlay(original: Array, mask: Array) -> Array:
    """Draw the outlines over a picture (H, W, 3), uint8: positive red, negative blue."""
    drawn = original.copy()
    for value, colour in zip(OUTLINE, (RED, BLUE), strict=True):
        drawn[mask == value] = colour
    return drawn


def refined(mask: Array) -> Array:
    """Paint a class mask: (H, W, 3), uint8; positive red, negative blue, outlines green."""
    table = np.array([BLACK, RED, BLUE, GREEN, GREEN], dtype=np.uint8)
    return np.asarray(table[mask])


def _smallest_around(labels: Array) -> Array:
    """The smallest id among the four neighbours of each pixel, 0 where there is none."""
    most = np.iinfo(np.int32).max
    frame = np.pad(np.where(labels > 0, labels, most), 1, constant_values=most)
    around = _shifted(frame, FOUR[0]).copy()
    for step in FOUR[1:]:
        np.minimum(around, _shifted(frame, step), out=around)
    return np.where(around < most, around, 0)


def _wider(mask: Array, covered: Array) -> Array:
    """Grow the outlines by a pixel; of several neighbours the first in raster order counts."""
    frame = np.pad(np.where(mask >= OUTLINE[0], mask, 0), 1)
    wider = mask.copy()
    free = ~covered & (mask == 0)
    for step in reversed(EIGHT):
        neighbour = _shifted(frame, step)
        np.copyto(wider, neighbour, where=free & (neighbour > 0))
    return wider


def _shifted(frame: Array, step: tuple[int, int]) -> Array:
    """The neighbour of each pixel of a picture that has a frame of one pixel."""
    height, width = frame.shape
    dy, dx = step
    return frame[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx]


def filled(nuclei: Nuclei, size: tuple[int, int]) -> Array:
    """Paint cells back of their contours.

    Args:
        nuclei: Cells of an image that do not touch, ids in raster order of first pixels.
        size: (height, width) of the image.

    Returns:
        (H, W), int32: ids, 0 for none.
    """
    cells = np.zeros(size, dtype=np.uint8)
    cv2.fillPoly(cells, nuclei.contours(), 1)
    count, parts = cv2.connectedComponents(cells, connectivity=8, ltype=cv2.CV_32S)
    labels: Array = np.asarray(parts)
    table = np.zeros(count, dtype=np.int32)
    x, y = nuclei.points_xy[nuclei.offsets[:-1]].T
    table[labels[y, x]] = nuclei.ids
    return table.take(labels)
