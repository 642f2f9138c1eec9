from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from histoseg.contracts import Array, Prediction
from histoseg.ops.outlines import edge_outlines
from histoseg.ops.shapes import Shapes, measure_shapes
from histoseg.writers.files import result_path, whole_file

AT_ONCE = 4096  # objects held in memory as Python objects
NAMESPACE = uuid.UUID("6f0e6a3c-3a0e-5b51-9d7c-7f6f3f5b2d10")  # ours; any fixed one would do


def write_geojson(folder: Path, prediction: Prediction) -> Path:
    """Write the nuclei as detections for QuPath, one Feature a line.

    Outlines run along pixel edges, in pixels of the image with (0, 0) its upper left corner, as in
    QuPath: a contour through pixel centres would be shifted by half a pixel and too small. They are
    whole numbers, so QuPath's rounding cannot make them invalid. Holes are not outlined.
    Ids are UUIDs made from the name of the image and the id, so the same result is the same file.
    A nucleus without class has no classification.

    Args:
        folder: Of all results; the file is ``geojson/{name}.geojson`` below it.
        prediction: Of one image. Measurements are in µm where it knows its pixel size, else in px.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.

    Source:
        QuPath's readers ``QuPathTypeAdapters`` and ``GsonTools``; `check_geojson` has their rules.
    """
    path = result_path(folder, prediction.name, "geojson", ".geojson")
    with whole_file(path) as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        before = b"\n"
        for feature in _features(prediction):
            file.write(before + orjson.dumps(feature, option=orjson.OPT_SERIALIZE_NUMPY))
            before = b",\n"
        file.write(b"\n]}\n")
    return path


def _features(prediction: Prediction) -> Iterator[dict[str, Any]]:
    found = prediction.instances
    classifications = [
        {"name": name, "color": list(colour)}
        for name, colour in zip(prediction.classes, prediction.colours, strict=True)
    ]
    for start in range(0, len(found), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        rings = edge_outlines(found.contour_xy[part])
        shapes = measure_shapes(found.contour_xy[part], rings)
        rows = zip(
            _uuids(prediction.name, found.ids[part]),
            (rings.points_xy[start:end] for start, end in pairwise(rings.offsets.tolist())),
            _measurements(shapes, found.score[part], prediction.mpp),
            found.semantic[part].tolist(),
            strict=True,
        )
        for name, ring, measurements, kind in rows:
            properties = {"objectType": "detection", "measurements": measurements}
            if kind and classifications:
                properties["classification"] = classifications[kind - 1]
            yield {
                "type": "Feature",
                "id": name,
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": properties,
            }


def _uuids(name: str, ids: Array) -> Iterator[str]:
    """``uuid.uuid5(NAMESPACE, f"{name}/{id}")`` of each id; the common part is hashed once."""
    start = hashlib.sha1(
        NAMESPACE.bytes + f"{name}/".encode(errors="surrogateescape"), usedforsecurity=False
    )
    for key in ids.tolist():
        whole = start.copy()
        whole.update(b"%d" % key)
        h = whole.hexdigest()
        variant = "89ab"[int(h[16], 16) & 3]
        yield f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{variant}{h[17:20]}-{h[20:32]}"


def _measurements(shapes: Shapes, score: Array, mpp: float | None) -> Iterator[dict[str, float]]:
    """One mapping name -> number for each object."""
    scale, unit = (1.0, "px") if mpp is None else (mpp, "µm")
    columns = {
        "Probability": score.astype(np.float64).round(4),
        f"Area {unit}^2": (shapes.area * scale**2).round(3),
        f"Perimeter {unit}": (shapes.perimeter * scale).round(3),
        "Eccentricity": shapes.eccentricity.round(4),
    }
    for values in np.stack(list(columns.values()), axis=1).tolist():
        yield dict(zip(columns, values, strict=True))
