"""Does QuPath read this file as it is meant? The rules are those of its source, 0.4 to 0.6."""

from __future__ import annotations

import math
import uuid
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import shape

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.ops.json_stream import parsed, stream_json

AT_ONCE = 1024  # features looked at together
NOWHERE = object()  # in place of the geometry of what is no feature

OBJECT_TYPES = ("annotation", "detection", "cell", "tile", "tmaCore", "root")
MISPLACED = ("objectType", "object_type", "classification", "measurements")


def check_geojson(path: Path) -> list[str]:
    """All that `geojson_problems` finds."""
    return list(geojson_problems(path))


def geojson_problems(path: Path) -> Iterator[str]:
    """Check a GeoJSON file by QuPath's rules, feature by feature.

    QuPath drops what it does not understand without a word, and QuPath 0.6 refuses the whole file
    for one invalid polygon. Memory: some thousand features, and 8 bytes of each that was seen.

    Args:
        path: The file, plain or packed by gzip.

    Yields:
        What is wrong, one sentence each, with the number of the feature; nothing if nothing is.

    Raises:
        OSError: If there is no such file or it may not be read.
    """
    path.open("rb").close()  # a missing file is no problem of its content
    facts: dict[str, str] = {}
    try:
        yield from _of_members(path, facts)
    except UnreadableFileError as error:
        yield f"the file is not JSON: {error}"
        return
    if facts.get("type") != "FeatureCollection":
        yield 'the file is not a FeatureCollection: {"type": "FeatureCollection", "features": []}'
    elif "features" not in facts:
        yield "the FeatureCollection has no list 'features'"


def _of_members(path: Path, facts: dict[str, str]) -> Iterator[str]:
    """Problems of the features; ``facts`` gets the type, and whether there is a list of them."""
    ids = array("q")
    waiting: list[tuple[int, list[str], Any]] = []
    for member in stream_json(path, frozenset({"features"})):
        if member.key == "type" and member.name is None:
            facts["type"] = str(parsed(path, member))
        elif member.key == "features" and member.text == b"[]":
            facts["features"] = ""
        elif member.key == "features" and isinstance(member.name, int):
            facts["features"] = ""
            feature = parsed(path, member)
            if not _is_feature(feature):
                waiting.append((member.name, ["its type is not 'Feature'"], NOWHERE))
                ids.append(0)
                continue
            geometry = feature.get("geometry")
            ring = _plain_ring(geometry)
            waiting.append(
                (member.name, list(_of_feature(feature)), geometry if ring is None else ring)
            )
            ids.append(hash(str(feature.get("id", member.name))))
        if len(waiting) >= AT_ONCE:
            yield from _of_some(waiting)
            waiting = []
    yield from _of_some(waiting)
    yield from _of_ids(np.array(ids))


def _is_feature(feature: Any) -> bool:
    return isinstance(feature, dict) and feature.get("type") == "Feature"


def _of_ids(ids: Array) -> Iterator[str]:
    """Which features have an id that an earlier one has too."""
    order = np.argsort(ids, kind="stable")
    same = np.flatnonzero((ids[order][1:] == ids[order][:-1]) & (ids[order][1:] != 0))
    for before, number in sorted(zip(order[same].tolist(), order[same + 1].tolist(), strict=True)):
        yield f"feature {number}: id is there twice, feature {before} has it too"


def _of_some(waiting: list[tuple[int, list[str], Any]]) -> Iterator[str]:
    """Problems of some features: number, those that are known, and geometry or plain ring."""
    rings = [drawn for _, _, drawn in waiting if isinstance(drawn, np.ndarray)]
    sound = iter(_sound(rings))
    for number, problems, drawn in waiting:
        yield from (f"feature {number}: {text}" for text in problems)
        plain = isinstance(drawn, np.ndarray)
        if drawn is NOWHERE or (plain and next(sound)):
            continue
        geometry = {"type": "Polygon", "coordinates": [drawn.tolist()]} if plain else drawn
        yield from (f"feature {number}: {text}" for text in _of_geometry(geometry))


def _sound(rings: list[Array]) -> list[bool]:
    """Which outlines are without fault: most, and looked at all at once."""
    if not rings:
        return []
    points = np.concatenate(rings)
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    drawn = shapely.polygons(shapely.linearrings(points, indices=owner))
    rounded, valid = drawn, shapely.is_valid(drawn)
    if (points.round(2) != points).any():
        rounded = shapely.polygons(shapely.linearrings(points.round(2), indices=owner))
        valid &= shapely.is_valid(rounded)
    return list((valid & (shapely.area(rounded) > 0)).tolist())


def _plain_ring(geometry: Any) -> Array | None:
    """Outline of a polygon without holes that is closed; None for anything else."""
    if not isinstance(geometry, dict) or geometry.get("type") != "Polygon":
        return None
    rings = geometry.get("coordinates")
    if not isinstance(rings, list) or len(rings) != 1 or not isinstance(rings[0], list):
        return None
    try:
        points = np.array(rings[0])
    except ValueError:  # of unequal lengths
        return None
    good = points.ndim == 2 and points.shape[1:] == (2,) and points.dtype.kind in "if"
    if not good or len(points) < 4 or not np.isfinite(points).all():
        return None
    return points.astype(np.float64) if (points[0] == points[-1]).all() else None


def _of_feature(feature: dict[str, Any]) -> Iterator[str]:
    try:
        uuid.UUID(feature.get("id"))
    except (ValueError, TypeError, AttributeError):
        yield f"id {feature.get('id')!r} is not a UUID and is ignored"
    for key in MISPLACED:
        if key in feature:
            yield f"'{key}' stands beside 'properties' and is ignored: put it inside"
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        yield "it has no 'properties', so it becomes an annotation"
        return
    kind = properties.get("objectType")
    if kind not in OBJECT_TYPES:
        yield f"properties.objectType is {kind!r}, expected one of {', '.join(OBJECT_TYPES)}"
    yield from _of_classification(properties.get("classification", ""))
    yield from _of_numbers(properties.get("measurements", {}), properties.get("metadata", {}))


def _of_classification(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        return
    if not isinstance(value, dict):
        yield f"classification is {value!r}, expected a name or a mapping"
        return
    names = value.get("names", [value.get("name")])
    if not names or not all(isinstance(name, str) and name for name in names):
        yield "classification has no 'name'"
    colour = value.get("color")
    if not isinstance(colour, list) or len(colour) not in (3, 4) or not all(map(_is_byte, colour)):
        yield f"classification has color {colour!r}, which is refused: expected [r, g, b] in 0..255"


def _is_byte(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _of_numbers(measurements: Any, metadata: Any) -> Iterator[str]:
    if not isinstance(measurements, dict) or not all(map(_is_number, measurements.values())):
        yield "measurements are not a mapping of names to numbers"
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        yield "metadata are not a mapping of names to strings"


def _of_geometry(geometry: Any) -> Iterator[str]:
    if not isinstance(geometry, dict):
        yield "it has no geometry"
        return
    try:
        rings = _rings(geometry)
        if not all(_is_number(v) for ring in rings for position in ring for v in position):
            yield "a coordinate is not a number"
            return
        yield from {text for ring in rings for text in _of_ring(ring)}
        drawn = shape(geometry)
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        yield f"its geometry cannot be read: {error}"
        return
    yield from _of_drawing(drawn)


def _rings(geometry: dict[str, Any]) -> list[list[list[float]]]:
    if geometry["type"] == "Polygon":
        return list(geometry["coordinates"])
    if geometry["type"] == "MultiPolygon":
        return [ring for polygon in geometry["coordinates"] for ring in polygon]
    return []


def _of_ring(ring: list[list[float]]) -> Iterator[str]:
    if len(ring) < 4:
        yield f"a ring has {len(ring)} positions, expected at least 4"
    if not ring or ring[0] != ring[-1]:
        yield "a ring is not closed: repeat its first position at the end"


def _of_drawing(drawn: Any) -> Iterator[str]:
    if drawn.is_empty:
        yield "its geometry is empty"
        return
    rounded = shapely.transform(drawn, lambda points: points.round(2))
    for when, one in (("", drawn), ("after rounding to 2 decimals ", rounded)):
        if not one.is_valid:
            yield f"{when}its geometry is invalid: {shapely.is_valid_reason(one)}"
            return
    if "Polygon" in drawn.geom_type and not rounded.area > 0:
        yield "its polygon has no area"
