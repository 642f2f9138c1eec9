from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from histoseg.contracts import LabelPart, Predicted
from histoseg.writers.files import result_path
from histoseg.writers.label_tiff import class_parts
from histoseg.writers.pyramid import Pyramid, scratch

VERSION = "0.4"


def write_ome_zarr(folder: Path, prediction: Predicted) -> Path:
    """Write label maps as OME-Zarr 0.4, multiscale, which napari opens.

    ``labels/nuclei`` (int32) has the ids; ``labels/classes`` (uint8), only with classes, has the
    class of each pixel, with its colours and names. Scales are in micrometres where the pixel size
    is known. An image may be put beside ``labels`` later.

    Args:
        folder: Of all results; the folder ``zarr/{name}.ome.zarr`` below it appears when it is
            complete and replaces an older one.
        prediction: Of an image or slide.

    Returns:
        That folder.

    Raises:
        OSError: If it cannot be written.

    Source:
        OME-NGFF specification 0.4: ``multiscales``, ``labels``, ``image-label``.
    """
    path = result_path(folder, prediction.name, "zarr", ".ome.zarr")
    part = path.parent / f".{path.name}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        labels = scratch(part).create_group("labels")
        names = ["nuclei", "classes"] if prediction.classes else ["nuclei"]
        labels.attrs["labels"] = names
        _write_label(labels, "nuclei", np.int32, prediction.label_parts(), prediction)
        if prediction.classes:
            _write_label(labels, "classes", np.uint8, class_parts(prediction), prediction)
            labels["classes"].attrs["image-label"] = _image_label(prediction)
        shutil.rmtree(path, ignore_errors=True)
        part.replace(path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write it ({error.strerror or error}). Free disk space or choose a folder that"
            " you may write to",
            str(path),
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def _write_label(
    labels: zarr.Group,
    name: str,
    dtype: Any,
    parts: Iterable[LabelPart],
    prediction: Predicted,
) -> None:
    group = labels.create_group(name)
    pyramid = Pyramid(group, prediction.size, dtype)
    for part in parts:
        pyramid.paint(*part)
    pyramid.shrink()
    mpp = prediction.mpp
    axis: dict[str, str] = {"type": "space"} | ({"unit": "micrometer"} if mpp else {})
    scales = [[(mpp or 1.0) * 2**level] * 2 for level in range(len(pyramid.levels))]
    group.attrs["multiscales"] = [
        {
            "version": VERSION,
            "name": name,
            "axes": [{"name": "y", **axis}, {"name": "x", **axis}],
            "datasets": [
                {
                    "path": str(level),
                    "coordinateTransformations": [{"type": "scale", "scale": scale}],
                }
                for level, scale in enumerate(scales)
            ],
        }
    ]
    group.attrs["image-label"] = {"version": VERSION}


def _image_label(prediction: Predicted) -> dict[str, Any]:
    """Colour and name of each value."""
    rows = list(enumerate(zip(prediction.classes, prediction.colours, strict=True), start=1))
    return {
        "version": VERSION,
        "colors": [{"label-value": k, "rgba": [*colour, 255]} for k, (_, colour) in rows],
        "properties": [{"label-value": k, "class": name} for k, (name, _) in rows],
    }
