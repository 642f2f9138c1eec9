"""Nuclei a few thousand at a time, with their outlines: what keeps memory small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array, Nuclei, Predicted
from histoseg.ops.outlines import Rings, edge_outlines

AT_ONCE = 4096  # objects worked on together, and held as Python objects or text


class Batch(NamedTuple):
    """Some nuclei.

    Attributes:
        nuclei: At most `AT_ONCE`, in pixels of the frame.
        contours: Theirs, one array each.
        rings: Their outlines along pixel edges, closed, in pixels of the frame.
    """

    nuclei: Nuclei
    contours: list[Array]
    rings: Rings


def pieces(prediction: Predicted) -> Iterator[Nuclei]:
    """All nuclei in order, at most `AT_ONCE` at a time."""
    for part in prediction.parts():
        if len(part) <= AT_ONCE:
            yield part
        else:
            yield from (part[i : i + AT_ONCE] for i in range(0, len(part), AT_ONCE))


def batches(prediction: Predicted) -> Iterator[Batch]:
    """All nuclei in order, with their outlines."""
    for nuclei in pieces(prediction):
        contours = nuclei.contours()
        yield Batch(nuclei, contours, edge_outlines(contours))


def at_full_size(edges_xy: Array, prediction: Predicted) -> Array:
    """Move points along pixel edges from the frame to the slide at full size.

    Args:
        edges_xy: (M, 2), integers: multiples of a pixel from the upper left corner of the frame.
        prediction: Knows the scale.

    Returns:
        (M, 2), the same integers where the scale is 1, else float64 with 2 decimals. Neither can
        make a valid outline invalid: it runs along rows and columns, and these stay apart.
    """
    if prediction.scale_xy == (1.0, 1.0):
        return edges_xy
    return np.asarray((edges_xy * np.array(prediction.scale_xy)).round(2))


def pixel_units(prediction: Predicted) -> tuple[float, float, str]:
    """What an area and a length of one pixel of the frame are, and in which unit.

    Micrometres where the pixel size is known, else pixels of the slide at full size.
    """
    if prediction.mpp is not None:
        return prediction.mpp**2, prediction.mpp, "µm"
    area = prediction.scale_xy[0] * prediction.scale_xy[1]
    return area, area**0.5, "px"
