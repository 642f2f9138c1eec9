"""Centres and classes of the objects of any file, a million of them in little memory."""

from __future__ import annotations

import csv
import gc
import gzip
import mmap
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from histoseg.annotations.centres import AT_ONCE, Centres, shape_centres
from histoseg.annotations.collect import Collector
from histoseg.annotations.drawing import Drawing
from histoseg.annotations.geojson import (
    NO_OBJECTS,
    add_feature,
    features_of,
    is_geojson,
    said_of,
)
from histoseg.annotations.hovernet_json import OBJECTIVE_MPP
from histoseg.annotations.json_file import read_json
from histoseg.annotations.points import Points
from histoseg.annotations.read import read_drawing
from histoseg.annotations.regions import without_regions
from histoseg.errors import UnreadableFileError

POINT_SUFFIXES = (".geojson", ".gz", ".json", ".xml", ".csv", ".zip", ".roi")
GZIP = b"\x1f\x8b"
HEAD = re.compile(rb'\s*\{\s*"type"\s*:\s*"FeatureCollection"\s*,\s*"features"\s*:\s*\[\s*')
TAIL = re.compile(rb"\s*\]\s*\}\s*")
NUMBER = rb"\s*(-?[\d.]+(?:[eE][-+]?\d+)?)\s*"
CENTROID = re.compile(rb'"centroid"\s*:\s*\[' + NUMBER + rb"," + NUMBER + rb"\]")
TYPE = re.compile(rb'"type"\s*:\s*(\d+|null)')
MAG = re.compile(rb'"mag"\s*:\s*(\d+(?:\.\d+)?)')
CELLS = ("detection", "cell")


def read_points(path: Path) -> Points:
    """Read centres and classes of the objects of one image.

    The centre is that of gravity of the outline. GeoJSON with a feature a line, as ours, and
    HoVer-Net's JSON are read as a stream. In a GeoJSON with detections or cells, annotations are
    regions and left out; elsewhere what lies around three objects or more.

    Args:
        path: What `read_drawing` reads, or a csv with the columns ``x``, ``y`` (pixels, pixel
            centres on integers) and, where known, ``class``: our own tables have them.

    Raises:
        UnreadableFileError: If it cannot be read.
    """
    if path.suffix.lower() == ".csv":
        return _of_table(path)
    for reader in (_of_lines, _of_hovernet, _of_geojson):
        try:
            found = reader(path)
        except (OSError, EOFError, zlib.error, ValueError, TypeError, LookupError):
            continue  # unusual or broken: the reader of drawings takes it apart, or says why not
        if found is not None:
            return found
    return _of_drawing(read_drawing(path))


def _of_lines(path: Path) -> Points | None:
    """GeoJSON with a feature a line; None for anything else."""
    with path.open("rb") as start:
        packed = start.read(2) == GZIP
    opened: IO[bytes] = gzip.open(path) if packed else path.open("rb")  # type: ignore[assignment]  # noqa: SIM115
    with opened as file:
        if not HEAD.fullmatch(file.readline(1024)):
            return None
        with _no_collection():
            return _of_features(_features_of_lines(file))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the search for cycles, which takes three quarters of the time: JSON has none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _of_geojson(path: Path) -> Points | None:
    """Any other GeoJSON; None for anything else."""
    if path.suffix.lower() not in (".geojson", ".json", ".gz"):
        return None
    content = read_json(path)
    return _of_features(features_of(content, path)) if is_geojson(content) else None


def _features_of_lines(file: IO[bytes]) -> Iterator[Any]:
    ended = False
    while lines := list(islice(file, AT_ONCE)):
        if TAIL.fullmatch(lines[-1]):
            ended, lines = True, lines[:-1]
        if lines:
            text = b"".join(lines).rstrip().removesuffix(b",")
            yield from orjson.loads(b"[" + text + b"]")
    if not ended:
        raise EOFError("the file is cut short")


def _of_features(features: Iterable[Any]) -> Points:
    found = Centres()
    regions = Centres()
    tally = {"cells": 0, "other": 0}
    for number, feature in enumerate(features):
        kind = _kind(feature)
        if kind.lower() in NO_OBJECTS:
            tally["other"] += 1
            continue
        if kind in CELLS:
            tally["cells"] += 1
        _add(found if kind in CELLS else regions, number, feature)
    if tally["other"]:
        found.left_out.append(f"{tally['other']} tiles or cores")
    if not tally["cells"]:
        found, regions = regions, found
    elif len(regions.result()):
        found.left_out.append(f"{len(regions.result())} annotations, which are regions")
    return found.result()


def _kind(feature: Any) -> str:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    return str(properties.get("objectType", properties.get("object_type", "")))


def _add(found: Centres, number: int, feature: Any) -> None:
    """A plain polygon or point at once; anything else as the reader of drawings takes it."""
    ring = None if "nucleusGeometry" in feature else _plain(feature.get("geometry"))
    if ring is not None:
        said = said_of(feature["properties"].get("classification"))
        found.ring(ring, said.get("label"), said.get("colour"))
        return
    collector = Collector(origin=0.0)
    add_feature(collector, f"feature {number}", feature)
    for shape, centre in zip(collector.shapes, shape_centres(collector.shapes), strict=True):
        found.ring([centre.tolist()], shape.label, shape.colour)
    found.left_out += [f"{d.where}: {d.why}" for d in collector.dropped]


def _plain(geometry: Any) -> list[list[float]] | None:
    """The one ring of a polygon without holes, or a point as a ring of one."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind == "Polygon" and len(geometry["coordinates"]) == 1:
        ring: list[list[float]] = geometry["coordinates"][0]
        return ring if len(ring) > 3 and len(ring[0]) == 2 else None
    if kind == "Point" and len(geometry["coordinates"]) == 2:
        return [geometry["coordinates"]]
    return None


def _of_hovernet(path: Path) -> Points | None:
    """HoVer-Net's JSON by its centroids and types alone; None for anything else."""
    with path.open("rb") as file, _mapped(file) as text:
        head, tail = text[:4096].lstrip(), text[-64:].rstrip()
        if not head.startswith(b"{") or b'"centroid"' not in head or not tail.endswith(b"}"):
            return None
        xy = [match.groups() for match in CENTROID.finditer(text)]
        kinds = [match[1] for match in TYPE.finditer(text)]
        if not xy or len(kinds) not in (0, len(xy)):
            return None
        mag = MAG.search(text[:64]) or MAG.search(text[-64:])
    found = Centres(origin=0.0)
    names = {kind: None if kind in (b"null", b"0") else kind.decode() for kind in set(kinds)}
    labels = [names[kind] for kind in kinds] or [None] * len(xy)
    found.points(np.array(xy, dtype=np.bytes_).astype(np.float64), labels)
    return found.result(OBJECTIVE_MPP / float(mag[1]) if mag and float(mag[1]) > 0 else None)


def _mapped(file: IO[bytes]) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _of_table(path: Path) -> Points:
    found = Centres(origin=0.0)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            columns = [name.strip().lower() for name in next(reader, [])]
            if not {"x", "y"} <= set(columns):
                raise UnreadableFileError(
                    f"{path} has the columns {columns}; expected x, y and, where known, class"
                )
            x, y = columns.index("x"), columns.index("y")
            kind = columns.index("class") if "class" in columns else None
            while rows := [row for row in islice(reader, AT_ONCE) if row]:
                labels = [row[kind].strip() or None for row in rows] if kind is not None else []
                xy = np.array([[float(row[x]), float(row[y])] for row in rows])
                found.points(xy, labels or [None] * len(rows))
    except (ValueError, IndexError, csv.Error, OSError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(
            f"{path} cannot be read as a table of nuclei: {error}; expected numbers x, y and, where"
            " known, class, as the table writer gives them"
        ) from error
    return found.result()


def _of_drawing(drawing: Drawing) -> Points:
    shapes, regions = without_regions(drawing.shapes)
    found = Centres(origin=0.0)
    found.points(shape_centres(shapes), [shape.label for shape in shapes])
    found.left_out += [f"{d.where}: {d.why}" for d in (*drawing.dropped, *regions)]
    made = found.result(drawing.mpp)
    colours = {s.label: s.colour for s in reversed(shapes) if s.label and s.colour}
    return Points(
        made.xy, made.kinds, made.labels, colours, made.left_out, drawing.size, drawing.mpp
    )
