"""A DeepLIIF Seg picture -> its cells and what is measured of each."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from histoseg.contracts import Array, Instances

GREEN_MOST = 80
"""A pixel that is greener is a boundary of cells, whatever red and blue say."""
POSITIVE, NEGATIVE = 1, 2
CLASSES = ("positive", "negative")
DENSITY = -np.log10(np.maximum(np.arange(256), 1) / 255.0)
"""Optical density of each 8-bit value; 0 is taken for 1."""


class CellPixels(NamedTuple):
    """The cells of a picture, numbered in raster order of their first pixels.

    Attributes:
        covered: (H, W), bool. All that is no background, also what is too small to be a cell.
        labels: (H, W), int32. 1..N on the cells, 0 elsewhere.
        first: (N,), int64. Flat index of the first pixel of each cell.
        box_xyxy: (N, 4), int32. Right and bottom are exclusive.
        centroid_xy: (N, 2), float64.
        size: (N,), int64. Pixels, enclosed ones of no class included.
        votes: (N, 2), int64. Positive and negative pixels.
    """

    covered: Array
    labels: Array
    first: Array
    box_xyxy: Array
    centroid_xy: Array
    size: Array
    votes: Array

    def most_in(self, values: Array) -> Array:
        """Largest value (N,), int64, that each cell has in a picture (H, W), uint8."""
        pixel = np.flatnonzero(self.labels)
        most = np.zeros(len(self.size) + 1, dtype=np.int64)
        np.maximum.at(most, self.labels.ravel()[pixel], values.ravel()[pixel].astype(np.int64))
        return most[1:]

    def mean_in(self, values: Array) -> Array:
        """Mean (N,), float64, of each cell in a picture (H, W) of whole numbers."""
        pixel = np.flatnonzero(self.labels)
        row = self.labels.ravel()[pixel]
        total = np.bincount(row, values.ravel()[pixel], minlength=len(self.size) + 1)
        return np.asarray(total[1:] / self.size)

    def instances(self) -> Instances:
        """Outline the cells; the class is that of most pixels, positive where it is a draw."""
        positive, negative = self.votes.T
        share = self.votes.max(axis=1) / np.maximum(self.votes.sum(axis=1), 1)
        return Instances(
            labels=self.labels,
            ids=np.arange(1, len(self.size) + 1, dtype=np.int32),
            semantic=np.where(positive >= negative, POSITIVE, NEGATIVE).astype(np.int32),
            score=share.astype(np.float32),
            centroid_xy=self.centroid_xy,
            box_xyxy=self.box_xyxy,
            contour_xy=_outer_contours(self.labels),
        )


def find_cells(seg: Array, seg_thresh: int, least: int, most: int | None = None) -> CellPixels:
    """Find the cells of a Seg picture.

    A pixel is of a cell if ``R + B > seg_thresh`` and ``G <= 80``; it is positive if ``R >= B``.
    What cannot be reached from the border of the picture through other pixels (4-connected) is
    part of the cell around it. Cells are 8-connected.

    Args:
        seg: (H, W, 3), uint8 RGB: red positive, blue negative, green boundary, black nothing.
        seg_thresh: Red and blue together that a pixel of a cell exceeds, 0..510.
        least: Pixels that a cell has more of; what is smaller is noise.
        most: Pixels that a cell has fewer of; None for any number.

    Returns:
        The cells, and where anything is.

    Source:
        Rules of nadeemlab/DeepLIIF 1.2.6, ``deepliif/postprocessing.py``.
    """
    red, green, blue = cv2.split(seg)
    some = (cv2.add(red, blue, dtype=cv2.CV_16U) > seg_thresh) & (green <= GREEN_MOST)
    covered = _not_reached(some)
    count, numbers, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        covered.view(np.uint8), 8, cv2.CV_32S, cv2.CCL_WU
    )
    size = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    labels: Array = np.asarray(numbers)
    wanted = (size > least) & (size < (np.inf if most is None else most))
    wanted[0] = False
    pixel = np.flatnonzero(covered)
    first = np.zeros(count, dtype=np.int64)
    first[labels.ravel()[pixel[::-1]]] = pixel[::-1]  # the last to be assigned is what stays
    rows = np.flatnonzero(wanted)
    rows = rows[np.argsort(first[rows], kind="stable")]
    table = np.zeros(count, dtype=np.int32)
    table[rows] = np.arange(1, len(rows) + 1)
    labels = table.take(labels)
    left, top, width, height = stats[rows, :4].T
    return CellPixels(
        covered=covered,
        labels=labels,
        first=first[rows],
        box_xyxy=np.stack([left, top, left + width, top + height], axis=1),
        centroid_xy=_centroids(labels, size[rows]),
        size=size[rows],
        votes=_votes(labels, some, red >= blue, len(rows)),
    )


def marker_values(marker: Array) -> Array:
    """Strength (H, W), uint8, of a marker picture (H, W, 3): the largest of its channels."""
    red, green, blue = cv2.split(marker)
    return np.asarray(cv2.max(cv2.max(red, green), blue))


def optical_density(image: Array) -> Array:
    """100 times the optical density (H, W), int16, of a brightfield picture (H, W, 3), uint8."""
    density = DENSITY[image[..., 0]] + DENSITY[image[..., 1]] + DENSITY[image[..., 2]]
    return np.asarray(np.rint(100 * density).astype(np.int16))


def as_uint8(values: Array) -> Array:
    """Maps (3, H, W), float32 in [0, 1], as a picture (H, W, 3): cut off, as files are written."""
    scaled = (np.moveaxis(values, 0, -1).astype(np.float32, copy=False) * np.float32(255)).clip(
        0, 255
    )
    return np.ascontiguousarray(scaled.astype(np.uint8))


def _not_reached(some: Array) -> Array:
    """Where background, 4-connected from the border, does not come: (H, W), bool."""
    outside = 2
    padded = cv2.copyMakeBorder(some.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(padded, None, (0, 0), outside, flags=4)
    return np.ascontiguousarray(padded[1:-1, 1:-1] != outside)


def _centroids(labels: Array, size: Array) -> Array:
    """Means of x and y: sums are whole numbers, so they are exact."""
    pixel = np.flatnonzero(labels)
    row, (y, x) = labels.ravel()[pixel], np.divmod(pixel, labels.shape[1])
    total = [np.bincount(row, v, minlength=len(size) + 1)[1:] for v in (x, y)]
    return np.stack(total, axis=1) / size[:, None]


def _votes(labels: Array, some: Array, redder: Array, count: int) -> Array:
    pixel = np.flatnonzero(some)
    vote = 2 * labels.ravel()[pixel] + ~redder.ravel()[pixel]
    return np.bincount(vote, minlength=2 * count + 2).reshape(-1, 2)[1:]


def _outer_contours(labels: Array) -> tuple[Array, ...]:
    """The contour of each cell. Cells never touch nor lie in each other, so one pass finds all."""
    found, _ = cv2.findContours(
        (labels > 0).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    contours = [contour[:, 0] for contour in found]
    x, y = np.array([contour[0] for contour in contours], dtype=np.int32).reshape(-1, 2).T
    order = np.argsort(labels[y, x])
    return tuple(contours[i] for i in order)
