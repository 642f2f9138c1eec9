"""From outlines to an instance map whose every id is one visible piece."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.data.tissue.nuclei import Nuclei, outlines
from histoseg.data.tissue.plan import Frame

SMALLEST: Final = 12  # pixels of a nucleus that still counts
_SHIFT: Final = 4  # bits of a pixel kept by the rasteriser


def draw_labels(frame: Frame, nuclei: Nuclei) -> tuple[Array, Array]:
    """Rasterise nuclei, later ones in front.

    Args:
        frame: The pixels.
        nuclei: N nuclei.

    Returns:
        Two maps (height, width), int32: row + 1 of the nucleus in front, one 4-connected piece of
        at least `SMALLEST` pixels each; and of the one at the back, another where two overlap.
    """
    corners = outlines(nuclei)
    low, high = corners.min(axis=1), corners.max(axis=1)
    seen = np.all((high > 0) & (low < (frame.width, frame.height)), axis=1)
    # cv2 also fills every pixel that the line itself touches: half a pixel on each side.
    centre = nuclei.xy[:, None]
    shrink = 1 - 0.5 / np.maximum(nuclei.axes.min(axis=1), 1)[:, None, None]
    fixed = np.round(((corners - centre) * shrink + centre) * (1 << _SHIFT)).astype(np.int32)
    front = np.zeros((frame.height, frame.width), dtype=np.int32)
    back = np.zeros_like(front)
    rows = np.flatnonzero(seen).tolist()
    for row in rows:
        cv2.fillPoly(front, [fixed[row]], row + 1, shift=_SHIFT)
    for row in reversed(rows):
        cv2.fillPoly(back, [fixed[row]], row + 1, shift=_SHIFT)
    return one_piece_each(front), back


def one_piece_each(labels: Array) -> Array:
    """Keep the largest 4-connected piece of each id, and only if it has `SMALLEST` pixels.

    Args:
        labels: (H, W), int32, ids from 1; touching ids are told apart.

    Returns:
        (H, W), int32.

    Example:
        >>> one_piece_each(np.repeat(np.array([[1, 1, 1, 2, 1, 0]], np.int32), 5, axis=0))[0]
        array([1, 1, 1, 0, 0, 0], dtype=int32)
    """
    # On a grid of twice the size a link between two pixels can be open or shut of its own.
    links = np.zeros((2 * labels.shape[0] - 1, 2 * labels.shape[1] - 1), dtype=np.uint8)
    filled = labels > 0
    links[::2, ::2] = filled
    links[1::2, ::2] = filled[1:] & (labels[1:] == labels[:-1])
    links[::2, 1::2] = filled[:, 1:] & (labels[:, 1:] == labels[:, :-1])
    count, pieces = cv2.connectedComponents(links, connectivity=4, ltype=cv2.CV_32S)
    pieces = pieces[::2, ::2]
    area = np.bincount(pieces.ravel(), minlength=count)
    owner = np.zeros(count, dtype=np.int32)
    owner[pieces] = labels
    order = np.lexsort((-area, owner))
    first = np.ones(count, dtype=bool)
    first[1:] = owner[order][1:] != owner[order][:-1]
    keep = np.zeros(count, dtype=bool)
    keep[order[first]] = True
    keep &= (area >= SMALLEST) & (owner > 0)
    kept: Array = np.where(keep, owner, 0).astype(np.int32)[pieces]
    return kept


def renumbered(labels: Array) -> tuple[Array, Array]:
    """Number the ids 1..n without gaps: the map, and the old id of each new one, (n,)."""
    present = np.bincount(labels.ravel()) > 0
    present[0] = False
    old = np.flatnonzero(present)
    table = np.zeros(len(present), dtype=np.int32)
    table[old] = np.arange(1, len(old) + 1)
    return table[labels], old
