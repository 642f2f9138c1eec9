from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy.io import savemat

from histoseg.contracts import Array, Predicted, Prediction
from histoseg.writers.files import result_path, whole_file
from histoseg.writers.needs import needs

TITLE, TITLE_BYTES = b"MATLAB 5.0 MAT-file, written by histoseg", 116
"""The text that a file begins with, without the time: the same result is the same file."""


@needs("instances", whole=True)
def write_hovernet_mat(folder: Path, prediction: Predicted) -> Path:
    """Write the nuclei as HoVer-Net's own MATLAB file.

    Keys: ``inst_map`` (H, W) int32; ``inst_uid`` (N, 1); ``inst_type`` (N, 1), absent where the
    model has no classes; ``inst_centroid`` (N, 2), (x, y). Where the prediction carries maps, also
    ``raw_map`` and, the same under the name its documentation gives, ``raw``: (H, W, C) float32, of
    HoVer-Net the channels [class,] probability of nucleus, horizontal, vertical; of other models
    all channels in the order of ``prediction.maps``.

    Args:
        folder: Of all results; the file is ``mat/{name}.mat`` below it.
        prediction: Of one image.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
        ValueError: If it is of a slide: the format holds a whole label map.

    Source:
        File format of vqdang/hover_net, ``infer/tile.py``.
    """
    if not isinstance(prediction, Prediction):
        raise ValueError(
            f"{prediction.name}: a MAT file holds the label map of an image, not of a slide: leave "
            "it out, or write label_tiff"
        )
    path = result_path(folder, prediction.name, "mat", ".mat")
    found = prediction.instances
    content = {
        "inst_map": found.labels.astype(np.int32, copy=False),
        "inst_uid": found.ids.reshape(-1, 1),
        "inst_centroid": found.centroid_xy.reshape(-1, 2),
    }
    if prediction.classes:
        content["inst_type"] = found.semantic.reshape(-1, 1)
    if prediction.maps:
        content["raw_map"] = content["raw"] = _raw_map(prediction.maps)
    with whole_file(path) as file:
        savemat(cast(Any, file), content, do_compression=True)
        file.seek(0)
        file.write(TITLE.ljust(TITLE_BYTES))
    return path


def _raw_map(maps: Mapping[str, Array]) -> Array:
    planes = list(maps.values())
    if {"np", "hv"} <= set(maps):
        planes = [maps["np"][-1:], maps["hv"]]
        if "tp" in maps:
            planes.insert(0, maps["tp"].argmax(axis=0)[None])
    return np.ascontiguousarray(np.moveaxis(np.concatenate(planes), 0, -1), dtype=np.float32)
