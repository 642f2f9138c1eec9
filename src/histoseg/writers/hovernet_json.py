from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from histoseg.contracts import Array, Nuclei, Predicted
from histoseg.writers.batches import pieces
from histoseg.writers.files import result_path, whole_file

OBJECTIVE_MPP = 10.0  # µm per pixel times magnification of a usual scanner: 40 is 0.25 µm


def write_hovernet_json(folder: Path, prediction: Predicted) -> Path:
    """Write the nuclei as HoVer-Net's own JSON.

    ``{"mag": 40.0, "nuc": {"1": {"bbox": [[r0, c0], [r1, c1]], "centroid": [x, y], "contour":
    [[x, y], ...], "type_prob": 0.9, "type": 1}}}``. Coordinates run through pixel centres, in
    pixels of the image; of a slide, as in the original, at the resolution of the model, ``mag``.
    ``mag`` is 10 / mpp, null where the pixel size is unknown (the original writes null for tiles);
    ``type`` and ``type_prob`` are null where the model has no classes.
    A contour of one or two points is filled up to three by repeating its last one: readers build
    polygons from it. (The original leaves such nuclei out.)

    Args:
        folder: Of all results; the file is ``json/{name}.json`` below it.
        prediction: Of an image or slide.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.

    Source:
        File format of vqdang/hover_net, ``infer/tile.py``.
    """
    path = result_path(folder, prediction.name, "json", ".json")
    mag = None if prediction.mpp is None else OBJECTIVE_MPP / prediction.mpp
    with whole_file(path) as file:
        file.write(b'{"mag":%s,"nuc":{' % orjson.dumps(mag))
        before = b""
        for piece in pieces(prediction):
            for key, nucleus in _nuclei(piece, bool(prediction.classes)):
                text = orjson.dumps(nucleus, option=orjson.OPT_SERIALIZE_NUMPY)
                file.write(b'%s"%d":%s' % (before, key, text))
                before = b","
        file.write(b"}}")
    return path


def _nuclei(found: Nuclei, typed: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    boxes = found.box_xyxy[:, [1, 0, 3, 2]].reshape(-1, 2, 2).tolist()
    rows = zip(
        found.ids.tolist(),
        boxes,
        found.centroid_xy.tolist(),
        found.contours(),
        found.score.astype(np.float64).round(6).tolist(),
        found.semantic.tolist(),
        strict=True,
    )
    for key, box, centroid, contour, score, kind in rows:
        yield (
            key,
            {
                "bbox": box,
                "centroid": centroid,
                "contour": _three_points(contour),
                "type_prob": score if typed else None,
                "type": kind if typed else None,
            },
        )


def _three_points(contour: Array) -> Array:
    missing = max(3 - len(contour), 0)
    return np.ascontiguousarray(
        np.pad(contour, ((0, missing), (0, 0)), mode="edge") if missing else contour
    )
