"""Sedeen's ``session.xml``."""

from __future__ import annotations

import re
from math import isfinite
from pathlib import Path
from xml.etree.ElementTree import Element

from histoseg.annotations.collect import Collector, Said, as_score
from histoseg.annotations.drawing import Drawing
from histoseg.annotations.xml_file import number, read_xml
from histoseg.errors import UnreadableFileError

AREAS = frozenset({"polygon", "rectangle", "spline"})
POINTS = frozenset({"point", "pointset", "dot"})
NOTES = frozenset({"text", "ruler", "arrow"})
AUTOMATIC = re.compile(r"Region \d+")


def read_sedeen(path: Path) -> dict[str, Drawing]:
    """Read the graphics of each image: ``session/image/overlays/graphic/point-list/point``.

    Polygons, rectangles, ellipses (inscribed in their four corners, turned or not) and splines (by
    their points) are areas; a polyline counts where it ends at its start; points stay points; text,
    rulers and arrows are dropped. The label is the name, where a person gave one ("Region 3" is
    automatic), else the description, unless it is a number (predictions have their probability
    there); the colour that of the pen, without its opacity.

    Coordinates are pixels of the image at full size, counted from the upper left corner of the
    first pixel, so 0.5 is subtracted. ``transform`` places the image in the viewer and does not
    touch them: the known readers (dplabtools, wholeslidedata) do not look at it either.
    ``dimensions`` are width and height; some programs write them the other way round, which is
    seen where only this way all points fit.

    Args:
        path: The file.

    Returns:
        By name of the image, usually one; with the size and pixel size of the image.

    Raises:
        UnreadableFileError: If it is no XML of this kind, or two images have the same name.
    """
    return drawings_of(read_xml(path, "session"), path)


def drawings_of(root: Element, path: Path) -> dict[str, Drawing]:
    """`read_sedeen` of parsed XML; ``path`` is for messages."""
    drawings: dict[str, Drawing] = {}
    for image in root.iterfind("image"):
        name = image.get("identifier") or path.name
        if name in drawings:
            raise UnreadableFileError(f"{path}: two images are called {name!r}")
        found = Collector()
        for n, graphic in enumerate(image.iterfind("overlays/graphic")):
            _add(found, f"graphic {n}", graphic)
        spacing = _numbers(image.findtext("pixel-size"))
        mpp = sum(spacing) / 2 if len(spacing) == 2 and min(spacing) > 0 else None
        drawings[name] = found.drawing(_size(image, found), mpp, name)
    if not drawings:
        raise UnreadableFileError(f"{path}: the session has no <image>")
    return drawings


def _add(found: Collector, where: str, graphic: Element) -> None:
    kind = graphic.get("type", "")
    points = [_numbers(p.text) for p in graphic.iterfind("point-list/point")]
    score = as_score(number(graphic.get("description") or ""))
    said = Said(label=_label(graphic), colour=_colour(graphic), score=score)
    if kind in NOTES or kind not in {*AREAS, *POINTS, "ellipse", "polyline"}:
        found.drop(where, f"of type {kind!r}, not an area")
    elif not points:
        found.drop(where, "it has no points")
    elif kind in AREAS:
        found.polygon(where, [points], **said)
    elif kind == "ellipse":
        found.ellipse(where, points, **said)
    elif kind == "polyline":
        found.line(where, points, **said)
    else:
        found.points(where, points, **said)


def _numbers(text: str | None) -> list[float]:
    return [number(part) for part in (text or "").split(",")]


def _label(graphic: Element) -> str | None:
    name = (graphic.get("name") or "").strip()
    if name and not AUTOMATIC.fullmatch(name):
        return name
    description = (graphic.get("description") or "").strip()
    # predictions are described by their probability
    return description if description and not isfinite(number(description)) else None


def _colour(graphic: Element) -> tuple[int, int, int] | None:
    pen = graphic.find("pen")
    code = "" if pen is None else (pen.get("color") or "").removeprefix("#")
    if not re.fullmatch("[0-9a-fA-F]{6}([0-9a-fA-F]{2})?", code):
        return None
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def _size(image: Element, found: Collector) -> tuple[int, int] | None:
    sides = _numbers(image.findtext("dimensions"))
    if len(sides) != 2 or not all(0 < side < 1e7 for side in sides):
        return None
    width, height = map(int, sides)
    reach = [shape.exterior_xy.max(axis=0) for shape in found.shapes]
    x, y = (max((float(r[axis]) for r in reach), default=0.0) for axis in (0, 1))
    if (x > width or y > height) and x <= height and y <= width:
        width, height = height, width
    return height, width
