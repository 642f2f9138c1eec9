from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from histoseg.contracts import Array
from histoseg.errors import SlideError
from histoseg.slides.image import read_image

MAX_SKEW = 0.02
"""By what share the scale of a given mask may differ between the axes, besides whole pixels."""


@dataclass(frozen=True)
class TissueMask:
    """Where on a slide to look, at a low resolution.

    Pixel (column, row) of the mask stands for [column * sx, (column + 1) * sx) of level 0, and
    likewise along y.

    Attributes:
        inside: (h, w), bool.
        scale: Level-0 pixels per pixel of the mask along x and y: (sx, sy).
        size: (height, width) of level 0.
    """

    inside: Array
    scale: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def everywhere(cls, size: tuple[int, int]) -> TissueMask:
        """The mask that leaves nothing out."""
        return cls(np.ones((1, 1), np.bool_), (float(size[1]), float(size[0])), size)

    @classmethod
    def from_file(cls, path: Path, size: tuple[int, int]) -> TissueMask:
        """Read a mask that was drawn for a slide: a picture of the whole slide, of any resolution.

        Args:
            path: PNG, TIFF, ...; where any channel is above 0 is inside.
            size: (height, width) of the slide's level 0.

        Raises:
            SlideError: If it has not the proportions of the slide.
            UnreadableFileError: If it is no picture.
        """
        inside = np.asarray(read_image(path).any(axis=-1))
        scale = size[1] / inside.shape[1], size[0] / inside.shape[0]
        rounding = 1 / inside.shape[1] + 1 / inside.shape[0]
        if abs(scale[0] / scale[1] - 1) > MAX_SKEW + rounding:
            raise SlideError(
                f"the mask {path} is {inside.shape[1]} x {inside.shape[0]} (width x height), which"
                f" does not fit a slide of {size[1]} x {size[0]}: one of its pixels would be"
                f" {scale[0]:.4g} x {scale[1]:.4g} of the slide. Draw it over the whole slide, in"
                " any resolution"
            )
        return cls(inside, scale, size)

    @classmethod
    def from_regions(
        cls, regions_xy: Sequence[Sequence[Array]], size: tuple[int, int], step: float
    ) -> TissueMask:
        """Take what the given regions touch.

        Args:
            regions_xy: The rings of each, (K, 2) in level-0 pixels, pixel centres on integers: its
                outline, its holes and what lies apart, by the even-odd rule.
            size: (height, width) of level 0.
            step: Level-0 pixels per pixel of the mask.

        Raises:
            SlideError: If none of them touches the slide.
        """
        shape = (int(np.ceil(size[0] / step)), int(np.ceil(size[1] / step)))
        canvas = np.zeros(shape, np.uint8)
        for rings in regions_xy:
            points = [np.floor((np.asarray(ring, np.float64) + 0.5) / step) for ring in rings]
            cv2.fillPoly(canvas, [ring.astype(np.int32) for ring in points], 1)
        if not canvas.any():
            raise SlideError(
                f"none of the {len(regions_xy)} regions touches the slide of {size[1]} x {size[0]}"
                " px: expected outlines (x, y) in pixels of level 0"
            )
        return cls(canvas.astype(np.bool_), (step, step), size)

    def any_in(self, left: ArrayLike, top: ArrayLike, right: ArrayLike, bottom: ArrayLike) -> Array:
        """Whether boxes touch a pixel that is inside.

        Args:
            left: Of each box, level-0 pixels from the edge of the slide, fractions allowed.
            top: Of each.
            right: Exclusive.
            bottom: Exclusive. The four are broadcast.

        Returns:
            bool, of their common shape. A box outside the slide touches nothing.

        Example:
            >>> mask = TissueMask(np.array([[0, 1], [0, 0]], np.bool_), (10, 10), (20, 20))
            >>> mask.any_in([0, 0], [0, 9], [10, 11], [20, 12])
            array([False,  True])
        """
        height, width = self.inside.shape
        x0, x1 = _touched(left, right, self.scale[0], width)
        y0, y1 = _touched(top, bottom, self.scale[1], height)
        sums = self._sums
        return np.asarray(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0] > 0)

    @property
    def share(self) -> float:
        """Share of the slide's area that is inside, 0..1."""
        heights, widths = (
            np.diff(np.minimum(np.arange(n + 1) * s, whole))
            for n, s, whole in zip(self.inside.shape, self.scale[::-1], self.size, strict=True)
        )
        return float(heights @ self.inside @ widths) / (self.size[0] * self.size[1])

    def area_mm2(self, mpp: tuple[float, float]) -> float:
        """Area that is inside, in square millimetres; ``mpp`` is that of level 0."""
        return self.share * self.size[0] * mpp[1] * self.size[1] * mpp[0] / 1e6

    @cached_property
    def _sums(self) -> Array:
        """Integral image: (h + 1, w + 1), int64."""
        sums = np.zeros((self.inside.shape[0] + 1, self.inside.shape[1] + 1), np.int64)
        np.cumsum(self.inside, axis=0, dtype=np.int64, out=sums[1:, 1:])
        np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
        return sums


def _touched(low: ArrayLike, high: ArrayLike, scale: float, count: int) -> tuple[Array, Array]:
    """First mask pixel that [low, high) touches, and the one past the last."""
    first = np.floor(np.asarray(low) / scale).clip(0, count).astype(np.int64)
    last = np.ceil(np.asarray(high) / scale).clip(0, count).astype(np.int64)
    return first, np.maximum(first, last)
