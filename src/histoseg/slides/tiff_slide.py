from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides.box import Box
from histoseg.slides.pixels import used_bits
from histoseg.slides.resolution import settle
from histoseg.slides.slide import WHITE, Slide
from histoseg.slides.tiff import as_rgb
from histoseg.slides.tiff_pyramid import (
    Planes,
    find_levels,
    refuse_incomplete,
    stored_magnification,
    stored_spacing,
)

PROBED = 256
"""Tiles or strips of the smallest level that are looked at to learn the depth of 16-bit samples."""


class TiffSlide(Slide):
    """A TIFF, BigTIFF or OME-TIFF file, tiled or in strips, with or without smaller levels.

    Only the tiles or strips that a rectangle touches are decoded, so memory does not grow with the
    slide, except that of a file with a single compressed strip. Missing tiles are white. Colours
    may be in one page, in planes, or in three pages (OME, axes CYX).

    16-bit samples are scaled by the same range everywhere: the smallest of 8, 12 and 16 bits that
    holds what `PROBED` tiles of the smallest level have; brighter pixels become 255.

    Args:
        path: The file.
        mpp: Micrometres per pixel, in place of what the file says.
        magnification: Of level 0, in place of what the file says.

    Raises:
        TurnedTiffError: If it asks to be turned.
        UnreadableFileError: If it is damaged, cut short, a stack, or no picture.
    """

    def __init__(
        self, path: Path, mpp: float | None = None, magnification: float | None = None
    ) -> None:
        self.path = path
        file = self._open()
        try:
            page = file.levels[0][0]
            resolution = settle(
                path,
                stored_spacing(file.tif, page),
                stored_magnification(file.tif, page),
                given=mpp,
                given_magnification=magnification,
            )
            sizes = [(planes[0].imagelength, planes[0].imagewidth) for planes in file.levels]
            super().__init__(
                path, sizes, resolution, reader=f"tifffile ({'OME' if file.tif.is_ome else 'TIFF'})"
            )
            self._keep(file)
            self._depth = self._probed_depth()
            self.read(0, 0, 1, 1)  # kinds of picture that are refused, are refused now
        except BaseException:
            file.close()
            raise

    def _open(self) -> _File:
        tif = None
        try:
            tif = tifffile.TiffFile(self.path)
            levels = find_levels(self.path, tif)
            refuse_incomplete(self.path, tif, levels)
            _refuse_turned(self.path, levels[0][0])
        except Exception as error:
            if tif is not None:
                tif.close()
            if isinstance(error, UnreadableFileError | MemoryError):
                raise
            raise UnreadableFileError(
                f"{self.path} cannot be opened as a TIFF, it is damaged or cut short ({error}):"
                " copy or export it again"
            ) from error
        return _File(tif, levels)

    def _read(self, level: int, box: Box) -> Array:
        planes = self._opened().levels[level]
        colours = [self._colours(level, number, box) for number in range(len(planes))]
        if len(colours) == 1:
            return colours[0]
        return np.stack([plane[..., 0] for plane in colours], axis=-1)

    def _colours(self, level: int, number: int, box: Box) -> Array:
        page = self._opened().levels[level][number]
        if page.is_memmappable and not page.is_tiled:
            samples = _mapped(page)[:, box.top : box.bottom, box.left : box.right]
            samples = np.concatenate(list(samples), axis=-1).astype(page.dtype)
        else:
            samples = self._assembled(level, number, box)
        if page.extrasamples and not samples[..., -1].any():
            return np.full((box.height, box.width, 3), WHITE, np.uint8)
        return as_rgb(self.path, page, samples, self._depth)

    def _assembled(self, level: int, number: int, box: Box) -> Array:
        """Samples (h, w, S) of a box, segment by segment."""
        page = self._opened().levels[level][number]
        high, wide, deep = _chunk(page)
        columns = -(-page.imagewidth // wide)
        in_plane = columns * -(-page.imagelength // high)
        planes = len(page.dataoffsets) // in_plane
        result = np.empty((box.height, box.width, planes, deep), page.dtype)
        touched = product(
            range(planes),
            range(box.top // high, -(-box.bottom // high)),
            range(box.left // wide, -(-box.right // wide)),
        )
        for plane, row, column in touched:
            segment = self._segment(level, number, plane * in_plane + row * columns + column)
            place = Box(column * wide, row * high, (column + 1) * wide, (row + 1) * high)
            part = place.clipped(box)
            result[*part.slices(box), plane] = segment[part.slices(place)]
        return result.reshape(box.height, box.width, -1)

    def _segment(self, level: int, number: int, index: int) -> Array:
        return self._cache.get((level, number, index), partial(self._decoded, level, number, index))

    def _decoded(self, level: int, number: int, index: int) -> Array:
        """One tile or strip, (h, w, S)."""
        file = self._opened()
        page = file.levels[level][number]
        count = page.databytecounts[index]
        if count == 0:
            return np.full(_chunk(page), _glass(page), page.dtype)
        with self._lock:  # threads share the place in the file
            file.tif.filehandle.seek(page.dataoffsets[index])
            data = file.tif.filehandle.read(count)
        segment = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        return np.array(segment[0][0])

    def _probed_depth(self) -> int | None:
        level = len(self.levels) - 1
        page = self._opened().levels[level][0]
        if page.dtype != np.uint16:
            return None
        if page.is_memmappable and not page.is_tiled:
            rows = _mapped(page)[:, :: max(1, page.imagelength // PROBED)]
            return used_bits(int(rows.max()))
        indices = range(0, len(page.dataoffsets), max(1, len(page.dataoffsets) // PROBED))
        return used_bits(max(int(self._segment(level, 0, i).max()) for i in indices))


class _File(NamedTuple):
    tif: tifffile.TiffFile
    levels: list[Planes]

    def close(self) -> None:
        self.tif.close()


def _mapped(page: tifffile.TiffPage) -> Array:
    """Samples of a page that lie in the file as they are: (planes, H, W, S), not loaded."""
    planes, _, *shape = page.shaped
    return np.asarray(page.asarray(out="memmap")).reshape(planes, *shape)


def _chunk(page: tifffile.TiffPage) -> tuple[int, int, int]:
    """Height, width and samples of a tile or strip."""
    high, wide, *deep = page.chunks
    return high, wide, deep[0] if deep else 1


def _glass(page: tifffile.TiffPage) -> float:
    """The sample of what was not scanned."""
    if page.photometric in (tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.PALETTE):
        return 0
    dtype = np.dtype(page.dtype)
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1


class TurnedTiffError(UnreadableFileError):
    """A TIFF asks to be turned or mirrored before it is shown, and so has to be read whole."""


def _refuse_turned(path: Path, page: tifffile.TiffPage) -> None:
    turn = int(page.tags.valueof("Orientation", 1))
    if turn != 1:
        raise TurnedTiffError(
            f"{path} asks to be turned (tag Orientation {turn}), which only pictures can be that"
            " are read whole: save it upright"
        )
