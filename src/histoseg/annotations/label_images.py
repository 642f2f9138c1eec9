"""Label images of any common format, as the arrays of a `Record`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import tifffile
from PIL.PngImagePlugin import PngImageFile
from scipy.io import loadmat
from scipy.sparse import issparse

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

_TIFF = (".tif", ".tiff")
LABEL_SUFFIXES = (".npy", ".png", *_TIFF, ".mat")


def read_labels(path: Path) -> Array:
    """Read a label image: one whole number of 0 or more per pixel.

    Args:
        path: NPY; PNG or TIFF with one channel (a palette PNG gives its indices); or MAT
            with ``inst_map``.

    Returns:
        Labels (H, W), int32.

    Raises:
        UnreadableFileError: If the file is missing, damaged, coloured, or holds fractions or
            numbers outside 0..2147483647.
    """
    suffix = path.suffix.lower()
    if suffix == ".mat":
        return as_labels(read_mat(path)["inst_map"], f"inst_map of {path}")
    try:
        if suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        elif suffix in _TIFF:
            values = tifffile.imread(path)
        else:
            # not Image.open, whose limit of pixels is for pictures of the web
            with PngImageFile(path) as picture:
                values = np.asarray(picture)
    except Exception as error:  # codecs let zlib, struct, token and division errors through
        raise UnreadableFileError(f"{path} cannot be read as a label image: {error}") from error
    if not isinstance(values, np.ndarray):
        raise UnreadableFileError(f"{path} holds several arrays; expected one label image")
    return as_labels(values, str(path))


def read_mat(path: Path) -> dict[str, Array]:
    """Read a MAT file of the CoNSeP kind.

    Args:
        path: MAT file of version 7 or older with at least ``inst_map``.

    Returns:
        Its arrays by name.

    Raises:
        UnreadableFileError: If it is damaged, of version 7.3, or lacks ``inst_map``.
    """
    try:
        arrays: dict[str, Any] = loadmat(path)
    except NotImplementedError as error:
        raise UnreadableFileError(
            f"{path} is a MAT file of version 7.3 (HDF5); save it with '-v7', or as NPY"
        ) from error
    except Exception as error:  # scipy lets zlib, struct and index errors through
        raise UnreadableFileError(f"{path} cannot be read as a MAT file: {error}") from error
    if "inst_map" not in arrays:
        found = ", ".join(sorted(k for k in arrays if not k.startswith("__"))) or "nothing"
        raise UnreadableFileError(f"{path} holds {found}; expected at least 'inst_map'")
    return {key: cast(Any, a).toarray() if issparse(a) else a for key, a in arrays.items()}


def as_labels(values: Array, name: str) -> Array:
    """Check that an array is a label image and give it the type of one.

    Args:
        values: Anything; whole numbers stored as floats are accepted.
        name: What to call it in a message.

    Returns:
        Labels (H, W), int32.

    Raises:
        UnreadableFileError: If it has channels, fractions, or numbers outside 0..2147483647.
    """
    if values.ndim != 2:
        raise UnreadableFileError(
            f"{name} has shape {values.shape}; expected (H, W), one id per pixel. "
            "A coloured picture of the nuclei is not an instance map: save the ids themselves"
        )
    if values.dtype.kind not in "buif" or not np.isfinite(values).all():
        raise UnreadableFileError(f"{name} holds {values.dtype} or NaN; expected whole numbers")
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if low < 0 or high > np.iinfo(np.int32).max:
        raise UnreadableFileError(f"{name} holds {low}..{high}; expected ids of 0..2147483647")
    labels = values.astype(np.int32)
    if values.dtype.kind == "f" and not np.array_equal(labels, values):
        raise UnreadableFileError(f"{name} holds fractions; expected whole numbers")
    return labels
