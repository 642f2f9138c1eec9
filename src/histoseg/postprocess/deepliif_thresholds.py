"""Thresholds of DeepLIIF that are taken from all cells of a picture, and what they decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array, Nuclei
from histoseg.ops.ihc_scoring import IHCScoring
from histoseg.postprocess.deepliif_pixels import NEGATIVE, POSITIVE

POINTS = 500  # at which the density of sizes is taken
TOGETHER = 4096  # sizes worked on together, 16 MB


class SizeLimits(NamedTuple):
    """Between which radii-like sqrt(size) a threshold is believed, and what is taken above."""

    least: float
    instead: float
    most: float


SIZE_LIMITS = {
    "40x": SizeLimits(4, 7, 10),
    "20x": SizeLimits(3, 4, 6),
    "10x": SizeLimits(2, 2, 3),
}


def default_size_threshold(sizes: Array, counts: Array, resolution: str) -> int:
    """Find the gap between specks and cells in the distribution of sizes.

    It is the first minimum of a Gaussian density (bandwidth 1) of the square roots of the sizes,
    squared, if that is within what cells of the resolution can be.

    Args:
        sizes: (S,), integers. Sizes that occur, px, each once.
        counts: (S,), integers. Cells of each size.
        resolution: ``40x``, ``20x`` or ``10x``.

    Returns:
        Size that a cell has more of, px; 0 for fewer than two cells.

    Source:
        nadeemlab/DeepLIIF 1.2.6. Above the upper limit it takes a fallback, not that limit.

    Example:
        >>> default_size_threshold(np.array([9, 144]), np.array([30, 60]), "40x")
        55
    """
    number = int(counts.sum())
    if number < 2:
        return 0
    roots = np.sqrt(sizes)
    step = (roots.max() + 1) / POINTS
    at = np.arange(POINTS) * step
    density = np.zeros(POINTS)
    for i in range(0, len(roots), TOGETHER):
        away = at[:, None] - roots[i : i + TOGETHER]
        density += np.exp(-0.5 * away**2) @ counts[i : i + TOGETHER]
    # its resolution decides what is a minimum where nearly nothing is
    curve = (density / (number * np.sqrt(2 * np.pi))).astype(np.float32)
    dips = np.flatnonzero((curve[1:-1] < curve[:-2]) & (curve[1:-1] < curve[2:])) + 1
    gap = (int(dips[0] if len(dips) else 1) - 1) * step
    limits = SIZE_LIMITS[resolution]
    root = limits.instead if gap > limits.most else max(gap, limits.least)
    return round(float(root * root))


def default_marker_threshold(counts: Array) -> int:
    """Nine tenths of the way from the darkest to the brightest of a marker picture.

    Args:
        counts: (256,), integers. Pixels of each strength, as `marker_counts` gives them.

    Returns:
        Strength that a positive cell exceeds; 0 where the picture is black.

    Source:
        nadeemlab/DeepLIIF 1.2.6: percentiles 0.1 and 99.9 of what is not black.
    """
    cumulated = np.cumsum(counts[1:])
    if not cumulated[-1]:
        return 0
    low, high = (round(_percentile(cumulated, share)) for share in (0.001, 0.999))
    return round(0.9 * (high - low)) + low


def _percentile(cumulated: Array, share: float) -> float:
    """Percentile, linear between values, of 1.. with these cumulated numbers."""
    place = share * (int(cumulated[-1]) - 1)
    below = int(place)
    values = np.searchsorted(cumulated, [below, below + 1], side="right") + 1
    return float(values[0] + (values[1] - values[0]) * (place - below))


@dataclass(frozen=True)
class CellCalls:
    """Thresholds as they were used: which cells count, and which are positive.

    Attributes:
        size_thresh: A cell counts if it has more pixels.
        size_thresh_upper: And fewer than this; None for any number.
        marker_thresh: A cell with more marker is positive; None: colours decide.
        od_thresh_lower: A positive cell with less optical density is negative; None for no limit.
        od_thresh_upper: Likewise with more.
    """

    size_thresh: int
    size_thresh_upper: int | None = None
    marker_thresh: int | None = None
    od_thresh_lower: int | None = None
    od_thresh_upper: int | None = None

    def __call__(self, nuclei: Nuclei) -> Nuclei:
        """Drop cells by size, and class the others anew by their measures."""
        kept = nuclei[self.keep(nuclei.measures)]
        return Nuclei(**{**vars(kept), "semantic": self.kinds(kept.semantic, kept.measures)})

    def keep(self, measures: Mapping[str, Array]) -> Array:
        """Which cells count: (N,), bool."""
        size = measures["size"]
        upper = np.inf if self.size_thresh_upper is None else self.size_thresh_upper
        return np.asarray((size > self.size_thresh) & (size < upper))

    def kinds(self, semantic: Array, measures: Mapping[str, Array]) -> Array:
        """Class of each cell, (N,), int32, of those that its colours say."""
        kinds = semantic.astype(np.int32)
        if self.marker_thresh is not None:
            kinds[_measure(measures, "marker") > self.marker_thresh] = POSITIVE
        if self.od_thresh_lower is not None:
            kinds[_measure(measures, "od") < self.od_thresh_lower] = NEGATIVE
        if self.od_thresh_upper is not None:
            kinds[_measure(measures, "od") > self.od_thresh_upper] = NEGATIVE
        return kinds

    def scoring(self, semantic: Array, seg_thresh: int | None) -> IHCScoring:
        """Counts of cells that were called, with the thresholds.

        Args:
            semantic: Class of each cell that counts, (N,).
            seg_thresh: With which they were found; None where unknown.
        """
        positive = int((semantic == POSITIVE).sum())
        return IHCScoring.of(
            positive,
            len(semantic) - positive,
            seg_thresh=seg_thresh,
            size_thresh=self.size_thresh,
            size_thresh_upper=self.size_thresh_upper,
            marker_thresh=self.marker_thresh,
        )


def _measure(measures: Mapping[str, Array], name: str) -> Array:
    if name not in measures:
        needed = "a marker picture" if name == "marker" else "the original image"
        raise ValueError(f"cells have no {name!r}: a threshold of it needs {needed}")
    return measures[name]
