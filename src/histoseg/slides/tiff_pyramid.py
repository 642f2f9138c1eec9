"""Which pages of a TIFF file are the levels of one slide, and how large their pixels are."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import tifffile

from histoseg.errors import UnreadableFileError
from histoseg.slides.image import MAX_PIXELS
from histoseg.slides.resolution import MICROMETRES, Spacing

Planes = tuple[tifffile.TiffPage, ...]  # one page, or one for each of red, green and blue
_INCH, _CENTIMETRE = 2, 3  # values of the tag ResolutionUnit
_AXES = {"YX", "YXS", "SYX", "CYX"}


def find_levels(path: Path, tif: tifffile.TiffFile) -> list[Planes]:
    """Find the largest picture of a file and its smaller copies.

    Copies are what the format calls so (SubIFDs, reduced pages), and pages of the same kind, tiled
    if the largest is, whose sides have the same proportion: thumbnails, labels and macro pictures
    are left out.

    Args:
        path: The file, for messages.
        tif: The file.

    Returns:
        The pages of each level, largest first.

    Raises:
        UnreadableFileError: If the file is a stack, or no slide.
    """
    if not tif.pages or not tif.series:
        raise UnreadableFileError(f"{path} has no picture in it: export it again")
    series = max(tif.series, key=lambda s: _pixels(s.levels[0]))
    twins = [s for s in tif.series if _pixels(s.levels[0]) == _pixels(series.levels[0])]
    axes = "".join(a for a, n in zip(series.axes, series.shape, strict=True) if n > 1 or a in "YX")
    if axes not in _AXES or len(twins) > 1:
        raise UnreadableFileError(
            f"{path} is a stack: {len(twins)} pictures of {series.shape} pixels with axes"
            f" {series.axes}, expected one of height, width and colour: save the wanted plane as a"
            " file of its own"
        )
    levels = [_planes(path, level) for level in series.levels]
    if len(levels) == 1:
        others = [_planes(path, s) for s in tif.series if s is not series and s.axes == series.axes]
        levels += [planes for planes in others if _is_copy(levels[0][0], planes[0])]
    return sorted(levels, key=lambda planes: -planes[0].imagewidth * planes[0].imagelength)


def refuse_incomplete(path: Path, tif: tifffile.TiffFile, levels: Sequence[Planes]) -> None:
    """Compare what the header promises with what there is.

    Raises:
        UnreadableFileError: If the file ends before its pixels do, or lists too few tiles.
    """
    size = tif.filehandle.size
    for page in (page for planes in levels for page in planes):
        promised = math.prod(page.chunked)
        listed = min(len(page.dataoffsets), len(page.databytecounts))
        if listed != promised:
            raise UnreadableFileError(
                f"{path}: its header promises {page.imagewidth} x {page.imagelength} pixels in"
                f" {promised} tiles or strips and lists {listed}; copy or export it"
                " again"
            )
        if math.prod(page.chunks[:2]) > MAX_PIXELS and not page.is_memmappable:
            raise UnreadableFileError(
                f"{path}: one tile or strip has {page.chunks[1]} x {page.chunks[0]} pixels, more"
                f" than {MAX_PIXELS:.3g}: save it with tiles"
            )
        end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)))
        if end > size:
            raise UnreadableFileError(
                f"{path} is truncated: {size} bytes, its pixels reach to {end}; copy or export it"
                " again"
            )


def stored_spacing(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Spacing | None:
    """Micrometres per pixel as the file says it, whether plausible or not; None if it does not.

    OME says it in its XML, Aperio in its description, ImageJ as pixels per unit, and TIFF itself
    as pixels per inch or centimetre.
    """
    if tif.is_ome and tif.ome_metadata:
        return _of_ome(tif.ome_metadata)
    aperio = re.search(r"\bMPP ?= ?([0-9.]+)", page.description) if tif.is_svs else None
    if aperio:
        return float(aperio[1]), float(aperio[1])
    unit = {_INCH: MICROMETRES["inch"], _CENTIMETRE: MICROMETRES["cm"]}.get(page.resolutionunit)
    if tif.is_imagej:
        unit = MICROMETRES.get(str((tif.imagej_metadata or {}).get("unit", "")))
    x, y = (float(value) for value in page.resolution)
    if (
        unit is None
        or not x
        or not y
        or {"XResolution", "YResolution"} - {t.name for t in page.tags}
    ):
        return None
    return unit / x, unit / y


def stored_magnification(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> float | None:
    """Magnification of the objective where the format says it: Aperio and OME."""
    text = tif.ome_metadata if tif.is_ome else page.description if tif.is_svs else None
    found = re.search(r'\bAppMag ?= ?([0-9.]+)|NominalMagnification="([0-9.]+)"', text or "")
    return float(found[1] or found[2]) if found else None


def _pixels(level: tifffile.TiffPageSeries) -> int:
    sizes = dict(zip(level.axes, level.shape, strict=True))
    return int(sizes.get("Y", 0) * sizes.get("X", 0))


def _planes(path: Path, level: tifffile.TiffPageSeries) -> Planes:
    planes = tuple(page.aspage() for page in level.pages if page is not None)
    if len(planes) not in (1, 3):
        raise UnreadableFileError(
            f"{path} has {len(planes)} channels, expected gray or red, green and blue: save these"
        )
    return planes


def _is_copy(page: tifffile.TiffPage, other: tifffile.TiffPage) -> bool:
    if other.is_tiled != page.is_tiled or other.dtype != page.dtype:
        return False
    height, width = page.imagelength, page.imagewidth
    h, w = other.imagelength, other.imagewidth
    same_shape = abs(w * height - h * width) <= max(height, width)  # a pixel of the copy
    return same_shape and w * 3 <= width * 2 and (page.is_tiled or bool(other.subfiletype & 1))


def _of_ome(text: str) -> Spacing | None:
    try:
        pixels = ElementTree.fromstring(text).iter()
    except ElementTree.ParseError:
        return None
    for element in pixels:
        if element.tag.endswith("}Pixels") and "PhysicalSizeX" in element.attrib:
            x, y = (_of_attribute(element.attrib, f"PhysicalSize{axis}") for axis in "XY")
            return x, x if math.isnan(y) else y
    return None


def _of_attribute(attributes: dict[str, str], name: str) -> float:
    try:
        size = float(attributes.get(name, "nan"))
    except ValueError:
        return math.nan
    return size * MICROMETRES.get(attributes.get(f"{name}Unit", "µm"), math.nan)
