"""QuPath's GeoJSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from histoseg.annotations.collect import Collector, Said, as_score
from histoseg.annotations.drawing import Drawing
from histoseg.annotations.json_file import read_json
from histoseg.errors import UnreadableFileError

DETECTED = frozenset({"detection", "cell"})
NO_OBJECTS = frozenset({"tile", "tmacore", "tma_core", "root"})


def read_geojson(path: Path) -> Drawing:
    """Read annotations, detections and cells: a FeatureCollection, a list, or one Feature.

    Of a cell with ``nucleusGeometry`` the nucleus is taken. Polygon and MultiPolygon, with holes,
    are one object each (ellipses are exported as polygons); Point and MultiPoint are points; a
    LineString counts where it ends at its start. Tiles, cores and the root are dropped. The label
    is ``classification.name``, or ``classification.names`` joined by ": "; a classification may
    also be a bare name. The colour is ``color``, or the packed ``colorRGB`` of QuPath 0.2.

    Coordinates count from the upper left corner of the first pixel, as QuPath's rectangles show
    (one of 210 x 176 pixels has corners that far apart), so 0.5 is subtracted.

    Args:
        path: JSON, plain, packed by gzip, or alone in a zip.

    Returns:
        Its objects; no size and no mpp, the format has none.

    Raises:
        UnreadableFileError: If it is no GeoJSON of features.
    """
    return drawing_of(read_json(path), path)


def drawing_of(content: Any, path: Path) -> Drawing:
    """`read_geojson` of parsed JSON; ``path`` is for messages."""
    found = Collector()
    for n, feature in enumerate(features_of(content, path)):
        add_feature(found, f"feature {n}", feature)
    return found.drawing()


def add_feature(found: Collector, where: str, feature: Any) -> None:
    """Add the objects of one feature, or say why it has none."""
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        found.drop(where, "its type is not 'Feature'")
        return
    properties = feature.get("properties") or {}
    if not isinstance(properties, dict):
        found.drop(where, "its 'properties' are no mapping")
        return
    kind = str(properties.get("objectType", properties.get("object_type", "")))
    if kind.lower() in NO_OBJECTS:
        found.drop(where, f"a {kind}, not an object")
        return
    geometry = feature.get("nucleusGeometry") or feature.get("geometry")
    said = said_of(properties.get("classification"))
    said["detected"] = kind.lower() in DETECTED
    measurements = properties.get("measurements")
    if isinstance(measurements, dict):
        said["score"] = as_score(measurements.get("Probability"))
    for part, one in enumerate(_geometries(geometry)):
        _add(found, where if not part else f"{where}, part {part}", one, said)


def is_geojson(content: Any) -> bool:
    """Whether parsed JSON looks like GeoJSON of features."""
    if isinstance(content, list):
        return all(isinstance(f, dict) and f.get("type") == "Feature" for f in content)
    return isinstance(content, dict) and content.get("type") in ("FeatureCollection", "Feature")


def features_of(content: Any, path: Path) -> list[Any]:
    """The features of parsed GeoJSON.

    Raises:
        UnreadableFileError: If it has none.
    """
    if isinstance(content, dict):
        content = [content] if content.get("type") == "Feature" else content.get("features")
    if not isinstance(content, list):
        raise UnreadableFileError(
            f"{path} is not GeoJSON: expected a FeatureCollection, a list of Features or a Feature"
        )
    return content


def _geometries(geometry: Any) -> Iterator[Any]:
    if isinstance(geometry, dict) and geometry.get("type") == "GeometryCollection":
        yield from geometry.get("geometries") or ()
    else:
        yield geometry


def _add(found: Collector, where: str, geometry: Any, said: Said) -> None:
    if not isinstance(geometry, dict):
        found.drop(where, "it has no geometry")
        return
    kind, points = geometry.get("type"), geometry.get("coordinates")
    if not isinstance(points, list) or not points:
        found.drop(where, "its geometry is empty")
    elif kind == "Polygon":
        found.polygon(where, points, **said)
    elif kind == "MultiPolygon":
        found.polygon(where, [r for p in points if isinstance(p, list) for r in p], **said)
    elif kind in ("Point", "MultiPoint"):
        found.points(where, [points] if kind == "Point" else points, **said)
    elif kind == "LineString":
        found.line(where, points, **said)
    else:
        found.drop(where, f"a {kind} has no area")


def said_of(classification: Any) -> Said:
    """Label and colour of a classification."""
    if isinstance(classification, str):
        return {"label": classification or None}
    if not isinstance(classification, dict):
        return {}
    names = classification.get("names")
    name = ": ".join(map(str, names)) if isinstance(names, list) else classification.get("name")
    return {"label": str(name) if name else None, "colour": _colour(classification)}


def _colour(classification: dict[str, Any]) -> tuple[int, int, int] | None:
    colour, packed = classification.get("color"), classification.get("colorRGB")
    if isinstance(colour, list) and len(colour) in (3, 4) and all(map(_is_byte, colour)):
        return colour[0], colour[1], colour[2]
    packed = colour if isinstance(colour, int) else packed
    if isinstance(packed, int):
        return packed >> 16 & 255, packed >> 8 & 255, packed & 255
    return None


def _is_byte(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= 255
