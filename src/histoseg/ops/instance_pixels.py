"""Where the pixels of each object of a label map are: one pass over the map, then only sums."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array


class _Runs(NamedTuple):
    """Neighbours in a line that belong to one object, each array (R,)."""

    row: Array  # the object, 0..N-1
    y: Array
    left: Array
    right: Array  # the last, included


@dataclass(frozen=True)
class InstancePixels:
    """The foreground pixels of a label map, each with the row of the object it belongs to.

    Attributes:
        ids: (N,), int32, ascending. The id of each object.
        area: (N,), int64. Its pixels.
        pixel: (M,), int64, ascending. Flat index of each foreground pixel.
        row: (M,), int64 in 0..N-1. The object of each of these pixels.
        row_map: (H, W), int32. ``row + 1`` painted back; 0 is background.
    """

    ids: Array
    area: Array
    pixel: Array
    row: Array
    row_map: Array

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.ids)

    def boxes(self) -> list[tuple[slice, slice]]:
        """Give the tight box of each object as slices (rows, columns) of the map."""
        runs = self._runs
        low = np.full((2, len(self)), max(self.row_map.shape), dtype=np.int64)
        high = np.zeros((2, len(self)), dtype=np.int64)
        for axis, (first, last) in enumerate(((runs.y, runs.y), (runs.left, runs.right))):
            np.minimum.at(low[axis], runs.row, first)
            np.maximum.at(high[axis], runs.row, last + 1)
        corners = np.concatenate([low, high]).T.tolist()
        return [(slice(top, end), slice(left, right)) for top, left, end, right in corners]

    def centroids(self, boxes: list[tuple[slice, slice]]) -> Array:
        """Give the mean pixel position of each object.

        Args:
            boxes: What `boxes` returned.

        Returns:
            Centroids (N, 2), float64, (x, y), pixel centres on integers.
        """
        runs = self._runs
        length = runs.right - runs.left + 1
        centroids = np.empty((len(self), 2))
        for axis, twice in ((0, runs.left + runs.right), (1, 2 * runs.y)):
            start = np.array([box[1 - axis].start for box in boxes], dtype=np.int64)
            total = np.bincount(runs.row, weights=length * twice // 2, minlength=len(self))
            # The offset is added after the division: moments of the cut-out object give the
            # same bits, so that stored results of other programs can be compared exactly.
            centroids[:, axis] = (total - start * self.area) / self.area + start
        return centroids

    @cached_property
    def _runs(self) -> _Runs:
        flat, width = self.row_map.ravel(), self.row_map.shape[1]
        begins = np.empty(flat.size, dtype=bool)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        begins[::width] = True
        start = np.flatnonzero(begins)
        row = flat.take(start)
        end = np.append(start[1:], flat.size)[row > 0] - 1
        start = start[row > 0]
        y = start // width
        return _Runs(row[row > 0] - 1, y, start - y * width, end - y * width)

    def votes(self, semantic: Array) -> Array:
        """Count the classes of the pixels of each object.

        Args:
            semantic: Class of each pixel (H, W), any integer type, 0..K.

        Returns:
            Counts (N, 1 + K), int64; K is the largest class on any object.

        Raises:
            ValueError: If ``semantic`` has another shape than the map or negative classes.
        """
        if semantic.shape != self.row_map.shape:
            raise ValueError(
                f"semantic is {semantic.shape}, the label map {self.row_map.shape}; "
                "give both for the same region"
            )
        classes = semantic.ravel()[self.pixel].astype(np.int64)
        if classes.min(initial=0) < 0:
            raise ValueError(f"semantic has class {classes.min()}; expected 0 or more")
        width = int(classes.max(initial=0)) + 1
        counts = np.bincount(self.row * width + classes, minlength=len(self) * width)
        return counts.reshape(len(self), width)


def instance_pixels(labels: Array) -> InstancePixels:
    """Index the foreground pixels of a label map.

    Time and memory are linear in the number of pixels, whatever the ids are.

    Args:
        labels: Label map (H, W), any integer type. 0 is background; ids need not be contiguous.

    Returns:
        The pixels by object, objects in ascending order of their ids.

    Raises:
        ValueError: If ``labels`` is not a two-dimensional map of integers from 0 to 2**31 - 1.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"expected a label map (H, W) of integers, got {labels.shape} {labels.dtype}"
        )
    pixel = np.flatnonzero(labels != 0)
    values = labels.ravel()[pixel]
    largest = int(values.max(initial=0))
    if values.min(initial=0) < 0 or largest > np.iinfo(np.int32).max:
        raise ValueError(
            f"ids of a label map lie in 0..2**31 - 1, got {values.min()}..{largest}; relabel it"
        )
    if largest <= labels.size:
        count = np.bincount(values, minlength=1)
        ids = np.flatnonzero(count)
        table = np.zeros(len(count), dtype=np.int64)
        table[ids] = np.arange(len(ids))
        area, row = count[ids], table[values]
    else:
        # A table over sparse large ids would outgrow the map: sort instead.
        ids, row, area = np.unique(values, return_inverse=True, return_counts=True)
    row_map = np.zeros(labels.size, dtype=np.int32)
    row_map[pixel] = row + 1
    return InstancePixels(ids.astype(np.int32), area, pixel, row, row_map.reshape(labels.shape))


def majority(votes: Array) -> tuple[Array, Array]:
    """Let the pixels of each object choose its class.

    The class with most pixels wins, the smaller one where two have equally many. Background
    wins only where no pixel voted for a class: an object is something, if only just.

    Args:
        votes: Counts (N, 1 + K), integers, as `InstancePixels.votes` gives them.

    Returns:
        Classes (N,), int32 in 0..K, and the share of the pixels that chose it (N,), float64.

    Example:
        >>> majority(np.array([[5, 1, 3], [4, 0, 0], [0, 2, 2]]))[0]
        array([2, 0, 1], dtype=int32)
    """
    if votes.shape[1] == 1:
        winner = np.zeros(len(votes), dtype=np.int64)
    else:
        winner = np.where(votes[:, 1:].any(axis=1), votes[:, 1:].argmax(axis=1) + 1, 0)
    # The tiny term is part of the published score; it is below the resolution of float32.
    share = votes[np.arange(len(votes)), winner] / (votes.sum(axis=1) + 1e-6)
    return winner.astype(np.int32), share
