from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import openslide

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides.box import Box
from histoseg.slides.pixels import on_white
from histoseg.slides.resolution import Spacing, as_number, settle
from histoseg.slides.slide import WHITE, Slide

BLOCK = 1024


class OpenSlideFile(Slide):
    """A slide in a scanner's own format: svs, ndpi, mrxs, scn, bif, vms, svslide, DICOM, ...

    OpenSlide takes places in level-0 pixels also for the smaller levels, and shifts them by parts
    of a pixel where the downsample is not a whole number, so that a pixel would depend on the
    rectangle it is read in (by up to 9 grey values in a test with noise). Such levels are read in
    blocks with fixed places.

    Args:
        path: The file.
        mpp: Micrometres per pixel, in place of what the file says.
        magnification: Of level 0, in place of what the file says.

    Raises:
        UnreadableFileError: If OpenSlide refuses it, with its reason, or it is cut short.
    """

    def __init__(
        self, path: Path, mpp: float | None = None, magnification: float | None = None
    ) -> None:
        self.path = path
        with self._open() as file:
            properties = dict(file.properties)
            sizes = [(height, width) for width, height in file.level_dimensions]
            self._steps = file.level_downsamples
        resolution = settle(
            path,
            _spacing(properties),
            as_number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)),
            given=mpp,
            given_magnification=magnification,
        )
        super().__init__(
            path,
            sizes,
            resolution,
            reader=f"OpenSlide {openslide.__library_version__}"
            f" ({properties.get(openslide.PROPERTY_NAME_VENDOR)})",
            bounds=_bounds(properties),
        )
        for number, level in enumerate(self.levels):  # the end is what a file cut short has lost
            self.read(level.width - 1, level.height - 1, 1, 1, number)

    def _open(self) -> openslide.OpenSlide:
        try:
            return openslide.OpenSlide(self.path)
        except openslide.OpenSlideError as error:
            raise UnreadableFileError(f"{self.path}: OpenSlide refuses it: {error}") from error

    def _read(self, level: int, box: Box) -> Array:
        if float(self._steps[level]).is_integer():
            return self._region(level, box)
        result = np.empty((box.height, box.width, 3), np.uint8)
        of = self.levels[level]
        for top in range(box.top - box.top % BLOCK, box.bottom, BLOCK):
            for left in range(box.left - box.left % BLOCK, box.right, BLOCK):
                block = Box(left, top, min(left + BLOCK, of.width), min(top + BLOCK, of.height))
                pixels = self._cache.get((level, left, top), partial(self._region, level, block))
                part = block.clipped(box)
                result[part.slices(box)] = pixels[part.slices(block)]
        return result

    def _region(self, level: int, box: Box) -> Array:
        step = self._steps[level]
        corner = round(box.left * step), round(box.top * step)
        rgba = np.asarray(self._opened().read_region(corner, level, (box.width, box.height)))
        if not rgba[..., 3].any():
            return np.full((box.height, box.width, 3), WHITE, np.uint8)
        return np.ascontiguousarray(on_white(rgba[..., :3], rgba[..., 3]))


def _spacing(properties: Mapping[str, str]) -> Spacing | None:
    x = as_number(properties.get(openslide.PROPERTY_NAME_MPP_X))
    y = as_number(properties.get(openslide.PROPERTY_NAME_MPP_Y))
    if x is None and y is None:
        return None
    return (y if x is None else x), (x if y is None else y)  # type: ignore[return-value]


def _bounds(properties: Mapping[str, str]) -> Box | None:
    names = (
        openslide.PROPERTY_NAME_BOUNDS_X,
        openslide.PROPERTY_NAME_BOUNDS_Y,
        openslide.PROPERTY_NAME_BOUNDS_WIDTH,
        openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
    )
    if any(name not in properties for name in names):
        return None
    x, y, width, height = (int(properties[name]) for name in names)
    return Box(x, y, x + width, y + height)
