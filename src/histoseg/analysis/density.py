from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from histoseg.contracts import Array

MOST_BINS = 2**25
TRUNCATED = 4.0
"""Where the Gaussian ends, in standard deviations."""


@dataclass(frozen=True)
class DensityGrid:
    """Nuclei counted in square bins.

    Bin [row, column] holds the nuclei whose pixel lies in [column * bin, (column + 1) * bin) and
    likewise along y; the last ones are cut by the border of the image.

    Attributes:
        counts: (K + 1, rows, columns), int32: nuclei without class, then of classes 1..K.
        bin: Side of a bin, px.
        size: (height, width) of the image.
    """

    counts: Array
    bin: int
    size: tuple[int, int]

    @classmethod
    def of(
        cls, xy: Array, kinds: Array, classes: int, size: tuple[int, int], bin_px: int
    ) -> DensityGrid:
        """Count nuclei; linear in their number.

        Args:
            xy: (N, 2): centres, pixel centres on integers, all in the image.
            kinds: (N,), 0..K.
            classes: K.
            size: (height, width) of the image.
            bin_px: Side of a bin, px.

        Raises:
            ValueError: If a nucleus lies outside, or bins are so small that they fill the memory.
        """
        rows, columns = (-(-side // bin_px) for side in size)
        if rows * columns * (classes + 1) > MOST_BINS:
            raise ValueError(
                f"bins of {bin_px} px make {rows} x {columns} of them for {classes + 1} classes;"
                f" at most {MOST_BINS:,} in all: take larger ones"
            )
        pixels = pixels_of(xy)
        if len(pixels) and (pixels.min() < 0 or (pixels >= size[::-1]).any()):
            raise ValueError(f"a nucleus lies outside the image of {size} (height, width)")
        column, row = (pixels // bin_px).T
        place = (kinds.astype(np.int64) * rows + row) * columns + column
        counts = np.bincount(place, minlength=(classes + 1) * rows * columns)
        return cls(counts.reshape(classes + 1, rows, columns).astype(np.int32), bin_px, size)

    def number(self, kinds: Sequence[int]) -> Array:
        """Nuclei of some classes in each bin: (rows, columns), int64."""
        return np.asarray(self.counts[list(kinds)].sum(axis=0, dtype=np.int64))

    def area(self) -> Array:
        """Part of each bin that lies in the image, px²: (rows, columns), int64."""
        sides = [
            np.minimum(np.arange(1, n + 1) * self.bin, whole) - np.arange(n) * self.bin
            for n, whole in zip(self.counts.shape[1:], self.size, strict=True)
        ]
        return np.asarray(sides[0][:, None] * sides[1])

    def density(self, kinds: Sequence[int], sigma_px: float = 0.0) -> Array:
        """Nuclei of some classes per px²: (rows, columns), float64.

        Args:
            kinds: Which.
            sigma_px: Of the Gaussian that numbers and areas are smoothed with, so that the border
                of the image is not darker. 0 for none.
        """
        number, area = (smooth(v, sigma_px / self.bin) for v in (self.number(kinds), self.area()))
        return np.asarray(number / area)

    def ratio(
        self, kinds: Sequence[int], of: Sequence[int], least: float = 1, sigma_px: float = 0.0
    ) -> Array:
        """Share of some classes among others: (rows, columns), float64.

        Args:
            kinds: Those in the numerator.
            of: Those in the denominator.
            least: Where fewer are in the denominator, the share is NaN. Of a Gaussian that is the
                number in as many bins as average out as much: 4 pi sigma^2 / bin^2 of them.
            sigma_px: Of the Gaussian that both numbers are smoothed with. 0 for none.
        """
        part, whole = (smooth(self.number(k), sigma_px / self.bin) for k in (kinds, of))
        share = np.full(part.shape, np.nan)
        behind = whole * max(1.0, 4 * np.pi * (sigma_px / self.bin) ** 2)
        known = (behind >= least) & (whole > 0)
        share[known] = part[known] / whole[known]
        return share


def pixels_of(xy: Array) -> Array:
    """The pixel in which each point lies: (N, 2), int64."""
    return np.asarray(np.floor(np.asarray(xy, np.float64).reshape(-1, 2) + 0.5).astype(np.int64))


def smooth(values: Array, sigma: float) -> Array:
    """Gaussian, nothing beyond the border: float64; ``sigma`` in bins, 0 for none."""
    as_float = values.astype(np.float64)
    if sigma <= 0:
        return as_float
    return np.asarray(gaussian_filter(as_float, sigma, mode="constant", truncate=TRUNCATED))
