from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from histoseg.contracts import Array, Prediction
from histoseg.ops.outlines import edge_outlines
from histoseg.ops.shapes import measure_shapes
from histoseg.writers.files import result_path, whole_file

AT_ONCE = 4096  # rows worked on together
COLUMNS = (
    "id",
    "class",
    "score",
    "x",
    "y",
    "area_px",
    "perimeter_px",
    "eccentricity",
    "area_um2",
    "perimeter_um",
)


def write_table(folder: Path, prediction: Prediction) -> Path:
    """Write one row of numbers for each nucleus, as CSV (UTF-8, comma, header).

    ``class`` is empty where there is none, ``area_um2`` and ``perimeter_um`` where the pixel size
    is unknown. ``x`` and ``y`` are the centroid in pixels, the centre of the first pixel being
    (0, 0); sizes are those of `histoseg.ops.shapes.Shapes`.

    Args:
        folder: Of all results; the file is ``table/{name}.csv`` below it.
        prediction: Of one image.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    path = result_path(folder, prediction.name, "table", ".csv")
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for start in range(0, len(prediction.instances), AT_ONCE):
            writer.writerows(zip(*_columns(prediction, slice(start, start + AT_ONCE)), strict=True))
        text.detach()
    return path


def _columns(prediction: Prediction, part: slice) -> Iterable[list[object]]:
    found, mpp = prediction.instances, prediction.mpp
    contours = found.contour_xy[part]
    shapes = measure_shapes(contours, edge_outlines(contours))
    names = ("", *prediction.classes)
    yield found.ids[part].tolist()
    yield [names[k] if prediction.classes else "" for k in found.semantic[part].tolist()]
    yield _rounded(found.score[part], 4)
    yield _rounded(found.centroid_xy[part, 0], 2)
    yield _rounded(found.centroid_xy[part, 1], 2)
    yield shapes.area.astype(np.int64).tolist()
    yield _rounded(shapes.perimeter, 2)
    yield _rounded(shapes.eccentricity, 4)
    yield [""] * len(contours) if mpp is None else _rounded(shapes.area * mpp**2, 3)
    yield [""] * len(contours) if mpp is None else _rounded(shapes.perimeter * mpp, 3)


def _rounded(values: Array, digits: int) -> list[object]:
    return list(values.astype(np.float64).round(digits).tolist())
