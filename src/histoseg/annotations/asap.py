"""ASAP's XML."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element

from histoseg.annotations.collect import Collector, Said
from histoseg.annotations.drawing import Drawing
from histoseg.annotations.xml_file import number, read_xml

AREAS = frozenset({"Polygon", "Rectangle", "Spline"})
POINTS = frozenset({"Dot", "PointSet"})


def read_asap(path: Path) -> Drawing:
    """Read ``ASAP_Annotations/Annotations/Annotation/Coordinates/Coordinate@X,@Y``.

    Polygons, rectangles and splines (by their points) are areas; dots and point sets are points;
    anything else is dropped. The label is the group (``PartOfGroup``, where it is not "None"), else
    the name, unless it is automatic ("Annotation 3").

    Coordinates are pixels of level 0. That they count from the upper left corner of the first pixel
    is not written down anywhere that we know; it is how the viewer's scene is laid out, so 0.5 is
    subtracted.

    Args:
        path: The file.

    Returns:
        Its annotations; no size and no mpp, the format has none.

    Raises:
        UnreadableFileError: If it is no XML of this kind.
    """
    return drawing_of(read_xml(path, "ASAP_Annotations"))


def drawing_of(root: Element) -> Drawing:
    """`read_asap` of parsed XML."""
    found = Collector()
    for n, annotation in enumerate(root.iterfind("Annotations/Annotation")):
        where, kind = f"annotation {n}", annotation.get("Type", "")
        points = [_point(c) for c in annotation.iterfind("Coordinates/Coordinate")]
        said = Said(label=_label(annotation), colour=_colour(annotation))
        if kind not in AREAS | POINTS:
            found.drop(where, f"of type {kind!r}, not an area")
        elif not points:
            found.drop(where, "it has no points")
        elif kind in AREAS:
            found.polygon(where, [points], **said)
        else:
            found.points(where, points, **said)
    return found.drawing()


def _point(coordinate: Element) -> tuple[float, float]:
    return number(coordinate.get("X")), number(coordinate.get("Y"))


def _label(annotation: Element) -> str | None:
    group, name = annotation.get("PartOfGroup"), annotation.get("Name")
    if group and group != "None":
        return group
    return name if name and not re.fullmatch(r"Annotation \d+", name) else None


def _colour(annotation: Element) -> tuple[int, int, int] | None:
    code = annotation.get("Color", "")
    if not re.fullmatch("#[0-9a-fA-F]{6}", code):
        return None
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
