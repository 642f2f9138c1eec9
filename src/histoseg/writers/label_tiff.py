from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from histoseg.contracts import LabelPart, Predicted
from histoseg.writers.files import result_path
from histoseg.writers.needs import needs
from histoseg.writers.pyramid_tiff import Compression, write_pyramid_tiff


def write_label_tiff(
    folder: Path, prediction: Predicted, *, compression: Compression = "deflate"
) -> Path:
    """Write the instance map as tiled pyramidal OME-TIFF, int32.

    It has the resolution of the model, which its PhysicalSize says; a smaller level takes every
    second pixel, so ids stay ids.

    Args:
        folder: Of all results; the file is ``labels/{name}.ome.tif`` below it.
        prediction: Of an image or slide.
        compression: ``deflate`` or ``zstd``.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    return write_pyramid_tiff(
        result_path(folder, prediction.name, "labels", ".ome.tif"),
        prediction.size,
        prediction.label_parts(),
        dtype=np.int32,
        name=prediction.name,
        mpp=prediction.mpp,
        compression=compression,
    )


@needs("semantic")
def write_semantic_tiff(
    folder: Path, prediction: Predicted, *, compression: Compression = "deflate"
) -> Path:
    """Write the class of each pixel, uint8, 0 for none, as `write_label_tiff` writes ids.

    Args:
        folder: Of all results; the file is ``semantic/{name}.ome.tif`` below it.
        prediction: Of an image or slide, by a model that says classes of pixels.
        compression: ``deflate`` or ``zstd``.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    return write_pyramid_tiff(
        result_path(folder, prediction.name, "semantic", ".ome.tif"),
        prediction.size,
        prediction.semantic_parts(),
        dtype=np.uint8,
        name=prediction.name,
        mpp=prediction.mpp,
        compression=compression,
    )


def write_class_tiff(
    folder: Path, prediction: Predicted, *, compression: Compression = "deflate"
) -> Path:
    """Write the class of each pixel of a nucleus, uint8, as `write_label_tiff` writes its id.

    Args:
        folder: Of all results; the file is ``classes/{name}.ome.tif`` below it.
        prediction: Of an image or slide.
        compression: ``deflate`` or ``zstd``.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    return write_pyramid_tiff(
        result_path(folder, prediction.name, "classes", ".ome.tif"),
        prediction.size,
        class_parts(prediction),
        dtype=np.uint8,
        name=prediction.name,
        mpp=prediction.mpp,
        compression=compression,
    )


def class_parts(prediction: Predicted) -> Iterator[LabelPart]:
    """The label parts with the class in place of the id; a nucleus without class is 0."""
    for nuclei, part in zip(prediction.parts(), prediction.label_parts(), strict=True):
        order = np.argsort(nuclei.ids)
        ids = np.concatenate([[0], nuclei.ids[order]])
        kinds = np.concatenate([[0], nuclei.semantic[order]])
        row = np.searchsorted(ids, part.labels).clip(max=len(ids) - 1)
        known = ids[row] == part.labels
        yield part._replace(labels=np.where(known, kinds[row], 0).astype(np.uint8))
