from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson

from histoseg.contracts import Array, Prediction
from histoseg.writers.files import result_path, whole_file

OBJECTIVE_MPP = 10.0  # µm per pixel times magnification of a usual scanner: 40 is 0.25 µm


def write_hovernet_json(folder: Path, prediction: Prediction) -> Path:
    """Write the nuclei as HoVer-Net's own JSON.

    ``{"mag": 40.0, "nuc": {"1": {"bbox": [[r0, c0], [r1, c1]], "centroid": [x, y], "contour":
    [[x, y], ...], "type_prob": 0.9, "type": 1}}}``. Coordinates run through pixel centres.
    ``mag`` is 10 / mpp, null where the pixel size is unknown (the original writes null for tiles);
    ``type`` and ``type_prob`` are null where the model has no classes.
    A contour of one or two points is filled up to three by repeating its last one: readers build
    polygons from it. (The original leaves such nuclei out.)

    Args:
        folder: Of all results; the file is ``json/{name}.json`` below it.
        prediction: Of one image.

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
        file.write(
            orjson.dumps(
                {"mag": mag, "nuc": _nuclei(prediction)}, option=orjson.OPT_SERIALIZE_NUMPY
            )
        )
    return path


def _nuclei(prediction: Prediction) -> dict[str, dict[str, Any]]:
    found, typed = prediction.instances, bool(prediction.classes)
    boxes = found.box_xyxy[:, [1, 0, 3, 2]].reshape(-1, 2, 2).tolist()
    rows = zip(
        found.ids.tolist(),
        boxes,
        found.centroid_xy.tolist(),
        found.contour_xy,
        found.score.astype(np.float64).round(6).tolist(),
        found.semantic.tolist(),
        strict=True,
    )
    return {
        str(key): {
            "bbox": box,
            "centroid": centroid,
            "contour": _three_points(contour),
            "type_prob": score if typed else None,
            "type": kind if typed else None,
        }
        for key, box, centroid, contour, score, kind in rows
    }


def _three_points(contour: Array) -> Array:
    missing = max(3 - len(contour), 0)
    return np.ascontiguousarray(
        np.pad(contour, ((0, missing), (0, 0)), mode="edge") if missing else contour
    )
