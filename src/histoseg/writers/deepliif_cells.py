from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from histoseg.contracts import Nuclei, Predicted
from histoseg.ops.cell_records import CellColumns, encode, turned
from histoseg.ops.ihc_scoring import IHCScoring
from histoseg.writers.batches import pieces
from histoseg.writers.files import result_path, whole_file

MEASURE = {3: "marker", 4: "marker", 5: "od", 6: "od"}
PACKED = (4, 6)
POSITIVE = 1


def write_cell_records(
    folder: Path, prediction: Predicted, settings: Mapping[str, Any], version: int = 4
) -> Path:
    """Write cells as DeepLIIF's cell records, from which they can be counted with new thresholds.

    Versions 3 and 5 spell each cell out, 4 and 6 pack it into a short text; 3 and 4 hold the
    marker of a cell, 5 and 6 its optical density. A marker that was not measured is written as 0.

    Args:
        folder: Of all results; the file is ``cells/{name}.json`` below it.
        prediction: All cells above noise with the measures ``size`` and ``marker`` or ``od``, class
            1 positive by colour. Contours start at the first pixel in raster order and run against
            the clock, as those of `histoseg.postprocess.DeepLIIFCells` do.
        settings: How they were found, as they are to stand in the file.
        version: 3 to 6.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
        ValueError: If the version is another, or a measure is missing.
    """
    if version not in MEASURE:
        raise ValueError(f"version of cell records is {version}; expected 3, 4, 5 or 6")
    path = result_path(folder, prediction.name, "cells", ".json")
    with whole_file(path) as file:
        file.write(b'{"cells":[')
        before = b""
        for piece in pieces(prediction):
            columns = _columns(piece, MEASURE[version])
            cells = encode(columns) if version in PACKED else _spelt(columns, MEASURE[version])
            for cell in cells:
                file.write(before + orjson.dumps(cell))
                before = b","
        file.write(b'],"settings":%s,"dataVersion":%d}' % (orjson.dumps(dict(settings)), version))
    return path


def write_ihc_scoring(path: Path, scoring: IHCScoring) -> Path:
    """Write counts and thresholds as the original does: the same fields, order and indent.

    Raises:
        OSError: If it cannot be written.
    """
    with whole_file(path) as file:
        file.write(orjson.dumps(scoring.fields(), option=orjson.OPT_INDENT_2))
    return path


def _columns(nuclei: Nuclei, name: str) -> CellColumns:
    if "size" not in nuclei.measures or (name == "od" and name not in nuclei.measures):
        raise ValueError(
            f"cells have the measures {sorted(nuclei.measures)}; these records need size and {name}"
        )
    nothing = np.zeros(len(nuclei), dtype=np.int64)
    return CellColumns(
        size=nuclei.measures["size"].astype(np.int64),
        positive=nuclei.semantic == POSITIVE,
        value=nuclei.measures.get(name, nothing).astype(np.int64),
        corners=nuclei.box_xyxy - np.array([0, 0, 1, 1]),
        centre=np.rint(nuclei.centroid_xy).astype(np.int64),
        points_xy=turned(nuclei.points_xy.astype(np.int64), nuclei.offsets),
        offsets=nuclei.offsets,
    )


def _spelt(cells: CellColumns, name: str) -> Iterator[dict[str, Any]]:
    points = cells.points_xy.tolist()
    rows = zip(
        cells.size.tolist(),
        cells.positive.tolist(),
        cells.value.tolist(),
        cells.corners.reshape(-1, 2, 2).tolist(),
        cells.centre.tolist(),
        cells.offsets[:-1].tolist(),
        cells.offsets[1:].tolist(),
        strict=True,
    )
    for size, positive, value, box, centre, start, end in rows:
        yield {
            "size": size,
            "positive": positive,
            name: value,
            "bbox": box,
            "centroid": centre,
            "boundary": points[start:end],
        }
