from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import SlideError
from histoseg.slides.box import Box
from histoseg.slides.resample import Taps, reflected, resampled, taps

if TYPE_CHECKING:  # a slide makes its thumbnail by a frame
    from histoseg.slides.slide import Slide

SNAP = 0.02
"""A level whose resolution is within this share of the wanted one is taken as it is."""
MAX_ENLARGED = 16
MAX_SOURCE = 2**24
"""Pixels of a level that are in memory at once while a frame is read: 48 MiB of RGB."""
_EXACT = 1e-6


@dataclass(frozen=True)
class Frame:
    """A slide seen at another resolution: what a model works in.

    Pixel (x, y) of the frame lies over [x * sx, (x + 1) * sx) of level 0, its centre is at
    ((x + 0.5) * sx - 0.5) in level-0 pixels, and likewise along y. The last column and row may
    reach over the edge of the slide, so that every pixel of the slide is in the frame.

    Attributes:
        slide: Which.
        scale: Level-0 pixels per pixel of the frame along x and y: (sx, sy).
        level: Level that is read: the coarsest that is not coarser than the frame.
        height: Of the frame.
        width: Of the frame.
    """

    slide: Slide
    scale: tuple[float, float]
    level: int
    height: int
    width: int

    @classmethod
    def at(cls, slide: Slide, mpp: float, snap: float = SNAP) -> Frame:
        """The frame with square pixels of ``mpp`` micrometres.

        Args:
            slide: Whose resolution is known.
            mpp: Micrometres per pixel.
            snap: Where a level is as near as this share to ``mpp``, the frame is that level and
                nothing is resampled: scanners say 0.2527 for what models call 0.25. 0 for exact.

        Raises:
            SlideError: If the slide does not say its resolution, or is far too coarse.
        """
        if slide.mpp is None:
            raise SlideError(
                f"{slide.path} does not say how large its pixels are: give mpp=<micrometres per"
                " pixel>, usually 0.25 at 40x and 0.5 at 20x"
            )
        scale = mpp / slide.mpp[0], mpp / slide.mpp[1]
        if min(scale) < 1 / MAX_ENLARGED:
            raise SlideError(
                f"{slide.path} has {max(slide.mpp):g} µm per pixel, more than {MAX_ENLARGED} times"
                f" the {mpp:g} that is wanted: there is nothing to see. Check mpp="
            )
        return cls.scaled(slide, scale, snap)

    @classmethod
    def scaled(
        cls, slide: Slide, scale: float | tuple[float, float], snap: float = _EXACT
    ) -> Frame:
        """The frame whose pixels are ``scale`` level-0 pixels wide (along x and y)."""
        wanted = scale if isinstance(scale, tuple) else (scale, scale)
        number = 0
        for i, level in enumerate(slide.levels):
            near = [w / d for w, d in zip(wanted, level.downsample, strict=True)]
            if all(abs(n - 1) <= max(snap, _EXACT) for n in near):
                return cls(slide, level.downsample, i, *_covering(slide.size, level.downsample))
            number = i if min(near) >= 1 else number
        return cls(slide, wanted, number, *_covering(slide.size, wanted))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frame."""
        return self.height, self.width

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel of the frame along x and y; None where the slide's is unknown."""
        if self.slide.mpp is None:
            return None
        return self.slide.mpp[0] * self.scale[0], self.slide.mpp[1] * self.scale[1]

    def to_level0(self, points_xy: Array) -> Array:
        """Move points (..., 2), pixel centres on integers, from the frame to level 0."""
        return np.asarray((np.asarray(points_xy) + 0.5) * np.array(self.scale) - 0.5)

    def from_level0(self, points_xy: Array) -> Array:
        """Move points (..., 2), pixel centres on integers, from level 0 to the frame."""
        return np.asarray((np.asarray(points_xy) + 0.5) / np.array(self.scale) - 0.5)

    def read(
        self,
        x: int,
        y: int,
        width: int,
        height: int,
        outside: Literal["white", "mirror"] = "white",
    ) -> Array:
        """Read a rectangle of the frame.

        Args:
            x: Left edge, in pixels of the frame; may be negative.
            y: Top edge.
            width: Pixels of the frame.
            height: Pixels of the frame.
            outside: What is beyond the frame: glass, or the slide reflected without repeating its
                border pixels, as the tiling of pictures does.

        Returns:
            (height, width, 3), uint8. A pixel does not depend on the rectangle it is read in.

        Raises:
            UnreadableFileError: If the file is damaged there.
        """
        wanted = Box(x, y, x + width, y + height)
        inside = wanted.clipped(Box(0, 0, self.width, self.height))
        if inside == wanted:
            return self._inside(wanted)
        if outside == "mirror":
            return self._mirrored(wanted)
        result = np.full((height, width, 3), 255, np.uint8)
        if not inside.is_empty:
            result[inside.slices(wanted)] = self._inside(inside)
        return result

    def _mirrored(self, box: Box) -> Array:
        rows = reflected(box.top, box.bottom, self.height)
        columns = reflected(box.left, box.right, self.width)
        top, left = int(rows.min()), int(columns.min())
        inside = Box(left, top, int(columns.max()) + 1, int(rows.max()) + 1)
        return self._inside(inside).take(rows - top, 0).take(columns - left, 1)

    def _inside(self, box: Box) -> Array:
        """A box inside the frame, from as much of the level at a time as memory shall hold."""
        rx, ry = self._ratio()
        if box.width * box.height * rx * ry <= MAX_SOURCE:
            return self._block(box)
        result = np.empty((box.height, box.width, 3), np.uint8)
        side = max(1, int(math.sqrt(MAX_SOURCE / (rx * ry))))
        for top in range(box.top, box.bottom, side):
            for left in range(box.left, box.right, side):
                part = Box(left, top, left + side, top + side).clipped(box)
                result[part.slices(box)] = self._block(part)
        return result

    def _block(self, box: Box) -> Array:
        level = self.slide.levels[self.level]
        rx, ry = self._ratio()
        rows = taps(box.top, box.bottom, ry, level.height)
        columns = taps(box.left, box.right, rx, level.width)
        (top, height), (left, width) = _span(rows.place), _span(columns.place)
        source = self.slide.read(left, top, width, height, self.level)
        return resampled(
            source, Taps(rows.place - top, rows.weight), Taps(columns.place - left, columns.weight)
        )

    def _ratio(self) -> tuple[float, float]:
        """Pixels of the level per pixel of the frame, along x and y."""
        x, y = self.slide.levels[self.level].downsample
        return self.scale[0] / x, self.scale[1] / y


def _covering(size: tuple[int, int], scale: tuple[float, float]) -> tuple[int, int]:
    """Height and width of the frame that covers a slide."""
    height, width = (math.ceil(n / s - _EXACT) for n, s in zip(size, scale[::-1], strict=True))
    return max(1, height), max(1, width)


def _span(place: Array) -> tuple[int, int]:
    first = int(place.min())
    return first, int(place.max()) + 1 - first
