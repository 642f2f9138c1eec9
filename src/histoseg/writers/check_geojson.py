"""Does QuPath read this file as it is meant? The rules are those of its source, 0.4 to 0.6."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import shapely
from shapely.geometry import shape

OBJECT_TYPES = ("annotation", "detection", "cell", "tile", "tmaCore", "root")
MISPLACED = ("objectType", "object_type", "classification", "measurements")


def check_geojson(path: Path) -> list[str]:
    """Check a GeoJSON file by QuPath's rules.

    QuPath drops what it does not understand without a word, and QuPath 0.6 refuses the whole file
    for one invalid polygon.

    Args:
        path: The file.

    Returns:
        What is wrong, one sentence each, with the number of the feature; empty if nothing is.

    Raises:
        OSError: If there is no such file or it may not be read.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        return [f"the file is not JSON: {error}"]
    if not isinstance(content, dict) or content.get("type") != "FeatureCollection":
        return [
            'the file is not a FeatureCollection: {"type": "FeatureCollection", "features": []}'
        ]
    features = content.get("features")
    if not isinstance(features, list):
        return ["the FeatureCollection has no list 'features'"]
    problems, seen = [], set()
    for number, feature in enumerate(features):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            problems.append(f"feature {number}: its type is not 'Feature'")
            continue
        problems += [f"feature {number}: {text}" for text in _of_feature(feature)]
        if feature.get("id") in seen:
            problems.append(f"feature {number}: id {feature['id']} is there twice")
        seen.add(feature.get("id"))
    return problems


def _of_feature(feature: dict[str, Any]) -> Iterator[str]:
    try:
        uuid.UUID(feature.get("id"))
    except (ValueError, TypeError, AttributeError):
        yield f"id {feature.get('id')!r} is not a UUID and is ignored"
    for key in MISPLACED:
        if key in feature:
            yield f"'{key}' stands beside 'properties' and is ignored: put it inside"
    yield from _of_geometry(feature.get("geometry"))
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
