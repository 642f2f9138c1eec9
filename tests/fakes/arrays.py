"""A slide made of an array, with levels made by taking means."""

from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.slides import Slide
from histoseg.slides.box import Box
from histoseg.slides.resolution import settle


class ArraySlide(Slide):
    def __init__(
        self, image: Array, mpp: float | None = None, factors: tuple[int, ...] = (1,)
    ) -> None:
        self.pictures = [shrunk(image, factor) for factor in factors]
        sizes = [picture.shape[:2] for picture in self.pictures]
        resolution = settle(Path("array"), None, None, given=mpp)
        super().__init__(Path("array"), sizes, resolution, reader="array")

    def _open(self) -> None:
        return None

    def _read(self, level: int, box: Box) -> Array:
        return self.pictures[level][box.top : box.bottom, box.left : box.right].copy()


def shrunk(image: Array, factor: int) -> Array:
    """Means of squares, halves rounded up; what does not fill a square is left out."""
    height, width = (n // factor for n in image.shape[:2])
    cut = image[: height * factor, : width * factor].astype(np.uint32)
    sums = cut.reshape(height, factor, width, factor, 3).sum(axis=(1, 3))
    return ((2 * sums + factor**2) // (2 * factor**2)).astype(np.uint8)
