from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.slides.frame import Frame
from histoseg.slides.slide import Slide
from histoseg.slides.tissue_mask import TissueMask

GLASS = (200, 255)
"""Range in which the colour of empty glass is sought; on a slide without glass it is the lower."""
BAND = 512
_SQUARE_MM = 1e6  # square micrometres


@dataclass(frozen=True)
class TissueFinder:
    """Find tissue on a slide by how much light it takes away, and of which colour.

    Optical density (natural logarithm) is measured against the slide's own glass. Tissue is what
    absorbs colours unequally (stains do, dust and shadows hardly) or much of all. The threshold
    is Otsu's, kept within bounds: below them would be the noise of empty glass, above them pale
    tissue, or the cytoplasm of a slide that tissue covers. Ink of pens is taken out by its colour:
    blue and cyan that leave blue light as it is, green, pure red, and black. Tissue under ink is
    lost, and so is tissue that is stained in these colours.

    Attributes:
        mpp: Micrometres per pixel at which is looked; 8 is a 1.25x objective.
        bounds: Of the threshold, in optical density.
        min_area_mm2: Smaller pieces are dropped; on small pictures those below 1 % of it.
        max_hole_mm2: Smaller holes that do not touch the border are filled.
        grow_um: How far the mask reaches beyond what was found.
        ink: Whether to take out pen marks.
    """

    mpp: float = 8.0
    bounds: tuple[float, float] = (0.03, 0.06)
    min_area_mm2: float = 0.016
    max_hole_mm2: float = 0.25
    grow_um: float = 64.0
    ink: bool = True

    def __call__(self, slide: Slide) -> TissueMask:
        """Find the tissue of a slide.

        Raises:
            SlideError: If the slide does not say its resolution.
            UnreadableFileError: If it is damaged.
        """
        frame = Frame.at(slide, max(self.mpp, *(slide.mpp or (0.0,))))
        picture = frame.read(0, 0, frame.width, frame.height)
        assert frame.mpp is not None
        side = float(np.sqrt(frame.mpp[0] * frame.mpp[1]))
        return TissueMask(self.in_picture(picture, side), frame.scale, slide.size)

    def in_picture(self, picture: Array, mpp: float) -> Array:
        """Find the tissue on a picture of low resolution.

        Args:
            picture: (h, w, 3), uint8.
            mpp: Micrometres per pixel of it.

        Returns:
            (h, w), bool.
        """
        signal, ink = self._signal(cv2.GaussianBlur(picture, (0, 0), 1.0))
        ink = _of_a_pen(ink, mpp) if self.ink else np.zeros_like(ink)
        threshold = float(np.clip(_otsu(signal[~ink]), *self.bounds))
        found = (signal > threshold) & ~ink
        pixel_mm2 = mpp * mpp / _SQUARE_MM
        least = min(self.min_area_mm2, found.size * pixel_mm2 / 100)
        found = _without_small(found, least / pixel_mm2)
        found |= _holes(found, self.max_hole_mm2 / pixel_mm2)
        return _grown(found, self.grow_um / mpp) & ~ink

    def _signal(self, picture: Array) -> tuple[Array, Array]:
        """How much each pixel looks like tissue, and whether it has the colour of ink."""
        glass = np.percentile(picture.reshape(-1, 3), 99, axis=0).clip(*GLASS)
        signal = np.empty(picture.shape[:2], np.float32)
        ink = np.empty(picture.shape[:2], np.bool_)
        for top in range(0, len(picture), BAND):  # the picture of a large slide has 20 megapixels
            rows = slice(top, top + BAND)
            density = optical_density(picture[rows], glass)
            signal[rows] = np.ptp(density, axis=-1) + 0.25 * density.mean(axis=-1)
            ink[rows] = is_ink(density)
        return signal, ink


def optical_density(picture: Array, glass: Array) -> Array:
    """How much light each pixel takes away.

    Args:
        picture: (h, w, 3), uint8.
        glass: (3,), the colour of empty glass.

    Returns:
        (h, w, 3), float32; natural logarithm, 0 for glass.
    """
    light = np.arange(256)[:, None].clip(1) / glass
    table = -np.log(light.clip(max=1)).astype(np.float32)
    return np.stack([table[picture[..., c], c] for c in range(3)], axis=-1)


def is_ink(density: Array) -> Array:
    """Which pixels have the colour of a pen: (h, w), bool.

    Hematoxylin takes away about as much green as red, and half as much blue; eosin and DAB take
    away red least. No stain of tissue takes away green least (green ink), red alone (blue and cyan
    ink), or green and blue alone (red ink; blood takes some red).

    Args:
        density: (h, w, 3), as of `optical_density`.
    """
    red, green, blue = np.moveaxis(density, -1, 0)
    dense = density.max(axis=-1)
    blue_ink = (red > 0.5) & (red > 1.2 * green) & (blue < 0.3 * red)
    green_ink = (np.maximum(red, blue) > 0.3) & (green < 0.75 * np.minimum(red, blue))
    red_ink = (green > 1.2) & (red < 0.12 * green) & (blue > 0.6 * green)
    black_ink = (density.min(axis=-1) > 0.9) & (np.ptp(density, axis=-1) < 0.1 + 0.25 * dense)
    return np.asarray(blue_ink | green_ink | red_ink | black_ink)


def _of_a_pen(ink: Array, mpp: float) -> Array:
    """Areas of ink as wide as the line of a pen, with their soft edges."""
    radius = max(1.0, 16.0 / mpp)
    lines = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_OPEN, _disk(radius))
    return _grown(lines.astype(np.bool_), 2 * radius)


def _otsu(signal: Array) -> float:
    if signal.size == 0:
        return 0.0
    levels = (signal * 255).clip(0, 255).astype(np.uint8)
    return float(cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]) / 255


def _without_small(found: Array, pixels: float) -> Array:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= pixels
    keep[0] = False
    return np.asarray(keep[labels])


def _holes(found: Array, pixels: float) -> Array:
    """Places without tissue that are smaller than so many pixels and do not touch the border."""
    empty = (~found).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(empty, connectivity=4)
    hole = stats[:, cv2.CC_STAT_AREA] < pixels
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        hole[edge] = False
    hole[0] = False
    return np.asarray(hole[labels])


def _grown(found: Array, radius: float) -> Array:
    if round(radius) < 1:
        return found
    return np.asarray(cv2.dilate(found.astype(np.uint8), _disk(radius)).astype(np.bool_))


def _disk(radius: float) -> Array:
    side = 2 * round(radius) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
