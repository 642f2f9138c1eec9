from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides.pixels import on_white, to_uint8

JPEG = {6, 7, 33007, 34892}
"""Values of the tag Compression for which the decoder gives RGB where the file has YCbCr."""


def read_tiff(path: Path, max_pixels: int, depth: int | None = None) -> tuple[Array, int]:
    """Read the first page of a TIFF or BigTIFF file.

    Later pages must be smaller, as the levels, thumbnails and labels of a scanner are: of a stack
    nobody can know which page is meant.

    Args:
        path: The file.
        max_pixels: Refuse larger pages.
        depth: Bits that the values of 16-bit samples use; None to judge by the page.

    Returns:
        The pixels as stored (H, W, 3), uint8: gray is repeated, palettes are looked up,
        transparency becomes white; and the tag Orientation, 1 where there is none.

    Raises:
        UnreadableFileError: If the file is a stack, cut short, or of a kind that is not a picture.
    """
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0].aspage()
        _refuse_stack(path, tif, page)
        if page.imagewidth * page.imagelength > max_pixels:
            raise UnreadableFileError(
                f"{path}: {page.imagewidth} x {page.imagelength} pixels, more than"
                f" {max_pixels:.3g}; cut it into parts"
            )
        end = max(
            (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0
        )
        if end > tif.filehandle.size:
            raise UnreadableFileError(
                f"{path} is truncated: {tif.filehandle.size} bytes, its pixels reach to {end};"
                " copy or export it again"
            )
        orientation = int(page.tags.valueof("Orientation", 1))
        samples = page.asarray()
        if page.axes.startswith("S"):
            samples = np.moveaxis(samples, 0, -1)
        samples = samples.reshape(page.imagelength, page.imagewidth, -1)
        return as_rgb(path, page, samples, depth), orientation


def _refuse_stack(path: Path, tif: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    size = page.imagewidth * page.imagelength
    others = [other.aspage() for other in tif.pages[1:]]
    same = 1 + sum(other.imagewidth * other.imagelength >= size for other in others)
    planes = tif.series[0].size // max(page.size, 1)
    if same > 1 or planes > 1 or page.imagedepth > 1:
        raise UnreadableFileError(
            f"{path} is a stack of {max(same, planes, page.imagedepth)} pictures, expected one:"
            " save the wanted page as a file of its own"
        )


def as_rgb(path: Path, page: tifffile.TiffPage, samples: Array, depth: int | None = None) -> Array:
    """Samples of a page, or of a part of it, as colours.

    Args:
        path: The file, for messages.
        page: What says how samples are meant.
        samples: (h, w, S), as stored.
        depth: Bits that the values of 16-bit samples use; None to judge by these samples.

    Returns:
        (h, w, 3), uint8: gray is repeated, palettes are looked up, transparency becomes white.

    Raises:
        UnreadableFileError: If it is no picture.
        ValueError: If samples are of another type, or all is transparent.
    """
    kind = tifffile.PHOTOMETRIC(page.photometric).name
    if kind == "PALETTE":
        return _looked_up(page, samples[..., 0])
    colours = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3}.get(kind)
    if kind == "YCBCR" and int(page.compression) in JPEG:
        colours = 3
    if colours is None or not colours <= samples.shape[-1] <= colours + 1:
        raise UnreadableFileError(
            f"{path} has {samples.shape[-1]} channels of kind {kind}, expected gray or RGB with or"
            " without alpha: save it as RGB"
        )
    extra = samples.shape[-1] - colours
    if extra and kind == "MINISBLACK" and not page.extrasamples:
        raise UnreadableFileError(
            f"{path} has 2 channels, expected gray or RGB: save the wanted one alone"
        )
    rgb = to_uint8(samples[..., :colours], page.bitspersample, depth)
    rgb = 255 - rgb if kind == "MINISWHITE" else rgb
    rgb = np.repeat(rgb, 3, axis=-1) if colours == 1 else rgb
    if not extra:
        return np.ascontiguousarray(rgb)
    alpha = to_uint8(samples[..., -1], page.bitspersample, depth)
    return on_white(rgb, alpha, multiplied=1 in tuple(page.extrasamples))


def _looked_up(page: tifffile.TiffPage, indices: Array) -> Array:
    table = np.asarray(page.colormap).T  # (2 ** bits, 3), 16 bits by the standard
    wide = int(table.max()) > 255
    return np.asarray((table >> 8 if wide else table).astype(np.uint8)[indices])
