from __future__ import annotations

import gzip
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import numpy as np
import orjson

from histoseg.contracts import Array, Nuclei, Predicted
from histoseg.ops.shapes import Shapes, measure_shapes
from histoseg.writers.batches import at_full_size, batches, pixel_units
from histoseg.writers.files import result_path, whole_file

NAMESPACE = uuid.UUID("6f0e6a3c-3a0e-5b51-9d7c-7f6f3f5b2d10")  # ours; any fixed one would do
FEATURES = 50  # turned into text together; with more, Python's garbage collector starts to look
BEHIND = 2**20  # bytes that are written at a time
LEVEL = 4  # of gzip: twice as fast as 6, a few percent larger


def write_geojson(
    folder: Path, prediction: Predicted, *, packed: bool = False, from_bounds: bool = True
) -> Path:
    """Write the nuclei as detections for QuPath, one Feature a line.

    Outlines run along pixel edges, in pixels of the image or of the slide at full size, with (0, 0)
    its upper left corner, as in QuPath: a contour through pixel centres would be shifted by half a
    pixel and too small. They are whole numbers, or of two decimals where a slide was predicted at
    another resolution, so QuPath's rounding cannot make them invalid. Holes are not outlined.
    Ids are UUIDs made from the name of the image and the id, so the same result is the same file.
    A nucleus without class has no classification.

    Args:
        folder: Of all results; the file is ``geojson/{name}.geojson`` below it.
        prediction: Of an image or slide. Measurements are in µm where it knows its pixel size, else
            in px.
        packed: Whether to pack it by gzip, as ``{name}.geojson.gz``, which QuPath opens too.
        from_bounds: Whether to count from the corner of the scanned part of a slide, as QuPath
            does for slides that have one (MIRAX). Other programs count from the whole.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.

    Source:
        QuPath's readers ``QuPathTypeAdapters`` and ``GsonTools``; `check_geojson` has their rules.
    """
    suffix = ".geojson.gz" if packed else ".geojson"
    origin = prediction.bounds_xy if from_bounds else (0, 0)
    path = result_path(folder, prediction.name, "geojson", suffix)
    with ExitStack() as stack:
        file = stack.enter_context(whole_file(path))
        if packed:
            file = stack.enter_context(_gzip(file))
        write = stack.enter_context(_Behind(file)).write
        write(b'{"type":"FeatureCollection","features":[')
        before = b"\n"
        for features in _features(prediction, origin):
            text = orjson.dumps(features, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
            # quotes within a text are escaped: this is found between features alone
            write(before + text.replace(b'},{"type":"Feature"', b'},\n{"type":"Feature"'))
            before = b",\n"
        write(b"\n]}\n")
    return path


class _Behind:
    """Writes, and packs, while the next pieces are made."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._thread = file, ThreadPoolExecutor(1)
        self._last: Future[int] | None = None
        self._waiting = bytearray()

    def write(self, piece: bytes) -> None:
        """Take a piece; what failed with earlier ones is raised here."""
        self._waiting += piece
        if len(self._waiting) > BEHIND:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(self._file.write, self._waiting)
        self._waiting = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._thread:
            if kind is None:
                self._hand_over()
        if kind is None and self._last is not None:
            self._last.result()


def _gzip(file: BinaryIO) -> BinaryIO:
    """Without name and time: the same result is the same file."""
    return cast(BinaryIO, gzip.GzipFile("", "wb", LEVEL, file, mtime=0))


def _features(prediction: Predicted, origin: tuple[int, int]) -> Iterator[list[dict[str, Any]]]:
    """All features, some at a time."""
    classifications = [
        {"name": name, "color": list(colour)}
        for name, colour in zip(prediction.classes, prediction.colours, strict=True)
    ]
    for nuclei, contours, rings in batches(prediction):
        points = at_full_size(rings.points_xy, prediction)
        points = (points - np.array(origin, points.dtype)).round(2) if any(origin) else points
        rows = zip(
            _uuids(prediction.name, nuclei.ids),
            (points[start:end] for start, end in pairwise(rings.offsets.tolist())),
            _measurements(nuclei, measure_shapes(contours, rings), prediction),
            nuclei.semantic.tolist(),
            strict=True,
        )
        features = []
        for name, ring, measurements, kind in rows:
            properties = {"objectType": "detection", "measurements": measurements}
            if kind and classifications:
                properties["classification"] = classifications[kind - 1]
            feature = {
                "type": "Feature",
                "id": name,
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": properties,
            }
            features.append(feature)
            if len(features) == FEATURES:
                yield features
                features = []
        if features:
            yield features


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


def _measurements(
    nuclei: Nuclei, shapes: Shapes, prediction: Predicted
) -> Iterator[dict[str, float]]:
    """One mapping name -> number for each object."""
    area, length, unit = pixel_units(prediction)
    columns: dict[str, Array] = {
        "Probability": nuclei.score.astype(np.float64).round(4),
        f"Area {unit}^2": (shapes.area * area).round(3),
        f"Perimeter {unit}": (shapes.perimeter * length).round(3),
        "Eccentricity": shapes.eccentricity.round(4),
        "Solidity": shapes.solidity.round(4),
        **_measured(nuclei.measures),
    }
    for values in np.stack(list(columns.values()), axis=1).tolist():
        yield dict(zip(columns, values, strict=True))


def _measured(measures: Mapping[str, Array]) -> dict[str, Array]:
    """As float64, so that they are told with four decimals and not those of their type."""
    return {name: values.astype(np.float64).round(4) for name, values in measures.items()}
