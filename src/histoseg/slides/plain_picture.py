from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from histoseg.contracts import Array
from histoseg.slides.box import Box
from histoseg.slides.image import read_image
from histoseg.slides.resolution import settle
from histoseg.slides.slide import Slide


class PlainPicture(Slide):
    """A PNG, JPEG or BMP file, or a turned TIFF: one level, decoded as a whole.

    These formats cannot be read in parts. Each process that reads holds all pixels, 3 bytes each:
    300 MB for 100 megapixels, at most 3 GiB (`histoseg.slides.image.MAX_PIXELS`). The densities
    that such files state are those of prints and are not taken for a resolution.

    Args:
        path: The file.
        mpp: Micrometres per pixel.
        magnification: Of the picture.

    Raises:
        UnreadableFileError: If it is no picture.
    """

    def __init__(
        self, path: Path, mpp: float | None = None, magnification: float | None = None
    ) -> None:
        pixels = read_image(path)
        resolution = settle(path, None, None, given=mpp, given_magnification=magnification)
        super().__init__(path, [pixels.shape[:2]], resolution, reader="picture")
        self._keep(_Pixels(pixels))

    def _open(self) -> _Pixels:
        return _Pixels(read_image(self.path))

    def _read(self, level: int, box: Box) -> Array:
        pixels: Array = self._opened().pixels
        return pixels[box.top : box.bottom, box.left : box.right].copy()


class _Pixels(NamedTuple):
    pixels: Array

    def close(self) -> None:
        """Nothing to do: the pixels go with the last reference."""
