"""Aperio ImageScope XML, as Kumar, MoNuSeg and MoNuSAC use it."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import shapely

from histoseg.annotations.collect import Collector
from histoseg.annotations.drawing import Drawing
from histoseg.annotations.xml_file import number, read_xml
from histoseg.contracts import Array

RECTANGLE, ELLIPSE, LINES = "1", "2", frozenset("34")  # Region@Type; 0 and names are polygons
NO_NAMES = frozenset({"", "Description", "Region"})  # what ImageScope writes by itself


def read_aperio(path: Path) -> Drawing:
    """Read regions: ``Annotations/Annotation/Regions/Region/Vertices/Vertex@X,@Y``.

    The label is ``Annotation@Name``, else the first ``Attributes/Attribute@Name`` of the annotation
    (MoNuSAC's classes), else ``Region@Text``; the colour ``@LineColor``, blue first. A region of
    type 2 with two vertices is the ellipse between these corners; types 3 and 4 (arrow, ruler) are
    dropped. A region with ``NegativeROA="1"`` is a hole of the region of the same
    annotation that surrounds it.

    Coordinates count from the upper left corner of the first pixel, as in the viewer, so 0.5 is
    subtracted. ``MicronsPerPixel`` of the root is the pixel size.

    Args:
        path: The file.

    Returns:
        Its regions; no size, the format has none.

    Raises:
        UnreadableFileError: If it is no XML of this kind.
    """
    return drawing_of(read_xml(path, "Annotations"))


def drawing_of(root: Element) -> Drawing:
    """`read_aperio` of parsed XML."""
    found = Collector()
    for n, annotation in enumerate(root.iter("Annotation"), start=1):
        regions = list(annotation.iter("Region"))
        holes = [_vertices(r) for r in regions if _negative(r)]
        for m, region in enumerate(regions, start=1):
            if not _negative(region):
                _add(found, f"annotation {n}, region {m}", annotation, region, holes)
    mpp = number(root.get("MicronsPerPixel"))
    return found.drawing(mpp=mpp if mpp and mpp > 0 else None)


def _add(
    found: Collector, where: str, annotation: Element, region: Element, holes: list[Array]
) -> None:
    points, kind = _vertices(region), region.get("Type", "0")
    label, colour = _label(annotation, region), _colour(annotation)
    if kind in LINES:
        found.drop(where, "an arrow or a ruler, not an area")
    elif kind in (RECTANGLE, ELLIPSE) and len(points) == 2:
        (x0, y0), (x1, y1) = points
        box = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
        if kind == ELLIPSE:
            found.ellipse(where, box, label=label, colour=colour)
        else:
            found.polygon(where, [box], label=label, colour=colour)
    else:
        found.polygon(where, [points, *_within(points, holes)], label=label, colour=colour)


def _negative(region: Element) -> bool:
    return region.get("NegativeROA") == "1"


def _vertices(region: Element) -> Array:
    rows = [v for tag in ("Vertex", "V") for v in region.iter(tag)]
    return np.array([[number(v.get("X")), number(v.get("Y"))] for v in rows]).reshape(-1, 2)


def _within(outer: Array, holes: list[Array]) -> list[Array]:
    if not holes or len(outer) < 3 or not np.isfinite(outer).all():
        return []
    outline = shapely.make_valid(shapely.Polygon(outer))
    return [
        hole
        for hole in holes
        if len(hole) > 2
        and np.isfinite(hole).all()
        and outline.covers(shapely.make_valid(shapely.Polygon(hole)))
    ]


def _label(annotation: Element, region: Element) -> str | None:
    attribute = annotation.find("Attributes/Attribute")
    names = (
        annotation.get("Name"),
        None if attribute is None else attribute.get("Name"),
        region.get("Text"),
    )
    return next((n.strip() for n in names if n and n.strip() not in NO_NAMES), None)


def _colour(annotation: Element) -> tuple[int, int, int] | None:
    value = number(annotation.get("LineColor"))
    if not 0 <= value < 1 << 32:
        return None
    packed = int(value)
    return packed & 255, packed >> 8 & 255, packed >> 16 & 255
