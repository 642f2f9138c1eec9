"""Label images of any common format, as the arrays of a `Record`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import tifffile
from PIL.PngImagePlugin import PngImageFile
from scipy.io import loadmat, whosmat
from scipy.sparse import issparse

from histoseg.annotations.mat_tags import check_tags
from histoseg.annotations.rasterise import check_size
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
        UnreadableFileError: If the file is missing, damaged, coloured, larger than
            ``MAX_PIXELS``, or holds fractions or numbers outside 0..2147483647.
    """
    if path.suffix.lower() == ".mat":
        return as_labels(read_mat(path)["inst_map"], f"inst_map of {path}")
    return as_labels(read_array(path), str(path))


def read_array(path: Path) -> Array:
    """Read an NPY, PNG or TIFF file as it is, once its header promises a sane size.

    Args:
        path: The file. An NPY never holds Python objects (pickles): those are refused.

    Returns:
        (H, W) or (H, W, C), any type.

    Raises:
        UnreadableFileError: If it is missing, damaged or too large.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            return _npy(path)
        return _tiff(path) if suffix in _TIFF else _png(path)
    except UnreadableFileError:
        raise
    except Exception as error:  # codecs let zlib, struct, token and division errors through
        raise UnreadableFileError(f"{path} cannot be read as a label image: {error}") from error


def _npy(path: Path) -> Array:
    # mapped first: a header that promises more than the file holds fails before memory is taken
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(values, np.ndarray):
        raise UnreadableFileError(f"{path} holds several arrays; expected one label image")
    check_size((values.size, 1) if values.ndim < 2 else values.shape[:2], str(path))
    return np.array(values)


def _tiff(path: Path) -> Array:
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0].aspage()
        check_size((page.imagelength, page.imagewidth), str(path))
        return np.asarray(tif.asarray())


def _png(path: Path) -> Array:
    # not Image.open, whose limit of pixels is for pictures of the web
    with PngImageFile(path) as picture:
        check_size(picture.size[::-1], str(path))
        if picture.mode == "L" and not picture.info.get("transparency"):
            plain = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # twice as fast
            if plain is not None and plain.shape == picture.size[::-1]:
                return np.asarray(plain)
        return np.asarray(picture)


def read_mat(path: Path) -> dict[str, Array]:
    """Read a MAT file of the CoNSeP kind.

    Args:
        path: MAT file of version 7 or older with at least ``inst_map``.

    Returns:
        Its arrays by name.

    Raises:
        UnreadableFileError: If it is damaged, too large, of version 7.3, or lacks ``inst_map``.
    """
    try:
        _check_version_4(path)
        check_tags(path)
        for name, shape, _ in whosmat(path):
            if len(shape) > 1:  # before loading: a sparse or packed array may be of any size
                check_size((max(shape[0], 1), max(shape[1], 1)), f"{name} of {path}")
        arrays: dict[str, Any] = loadmat(path)
    except NotImplementedError as error:
        raise UnreadableFileError(
            f"{path} is a MAT file of version 7.3 (HDF5); save it with '-v7', or as NPY"
        ) from error
    except UnreadableFileError:
        raise
    except Exception as error:  # scipy lets zlib, struct and index errors through
        raise UnreadableFileError(f"{path} cannot be read as a MAT file: {error}") from error
    if "inst_map" not in arrays:
        found = ", ".join(sorted(k for k in arrays if not k.startswith("__"))) or "nothing"
        raise UnreadableFileError(f"{path} holds {found}; expected at least 'inst_map'")
    return {key: cast(Any, a).toarray() if issparse(a) else a for key, a in arrays.items()}


def _check_version_4(path: Path) -> None:
    """Refuse what would pass for MAT version 4 with a name of gigabytes: that has no magic."""
    with path.open("rb") as file:
        head = file.read(20)
    if 0 in head[:4] and int.from_bytes(head[16:20], "little") > 64:
        raise UnreadableFileError(f"{path} is no MAT file: it starts with {head!r}")


def mat_semantic(arrays: Mapping[str, Array], instances: Array, path: Path) -> Array:
    """Class map of a MAT file: ``type_map``, or ``inst_type`` row by row of ascending id.

    Args:
        arrays: As `read_mat` gives them.
        instances: (H, W), its ``inst_map`` as labels.
        path: For messages.

    Returns:
        (H, W), int32.

    Raises:
        UnreadableFileError: If it has neither, or rows that do not fit.
    """
    if "type_map" in arrays:
        return as_labels(arrays["type_map"], f"type_map of {path}")
    ids = np.unique(instances[instances > 0])
    if not len(ids):
        return np.zeros_like(instances)
    if "inst_type" not in arrays:
        raise UnreadableFileError(f"{path} has neither 'type_map' nor 'inst_type': no classes")
    types = as_labels(np.atleast_2d(arrays["inst_type"]), f"inst_type of {path}").ravel()
    if len(types) != len(ids):
        raise UnreadableFileError(
            f"{path}: inst_type has {len(types)} rows for {len(ids)} ids of inst_map"
        )
    with_background = np.concatenate([[0], types]).astype(np.int32)
    return with_background[np.searchsorted(ids, instances, side="right")]


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
