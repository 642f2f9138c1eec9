"""Pictures and label images of any common format, as the arrays of a `Record`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image
from scipy.io import loadmat

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
LABEL_SUFFIXES = frozenset({".npy", ".png", ".tif", ".tiff", ".mat"})
_TIFF = frozenset({".tif", ".tiff"})
_EIGHT_BIT = {np.dtype(np.uint8): 1, np.dtype(np.uint16): 257}
"""What a value is divided by to reach 0..255; 65535 / 257 = 255."""


def read_image(path: Path) -> Array:
    """Read a picture as RGB.

    Gray becomes three equal channels, 16 bits become 8 (65535 is 255), and a transparent pixel
    shows white, as an empty slide does. EXIF rotation is ignored: labels lie on pixels as stored.

    Args:
        path: PNG, JPEG, BMP or TIFF of 8 or 16 bits per channel.

    Returns:
        Picture (H, W, 3), uint8 in 0..255.

    Raises:
        UnreadableFileError: If the file is missing, damaged or of another kind.
    """
    pixels = _tiff(path) if path.suffix.lower() in _TIFF else _decoded(path)
    if pixels.dtype not in _EIGHT_BIT or pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise UnreadableFileError(
            f"{path} holds {pixels.dtype} of shape {pixels.shape}; expected 8 or 16 bits "
            "and 1, 3 or 4 channels (gray, RGB, RGBA): convert it to an RGB PNG or TIFF"
        )
    divisor = _EIGHT_BIT[pixels.dtype]
    if divisor > 1:
        pixels = ((pixels.astype(np.uint32) + divisor // 2) // divisor).astype(np.uint8)
    if pixels.shape[2] == 4:
        pixels = _on_white(pixels)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


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
            with Image.open(path) as picture:
                values = np.asarray(picture)
    except (OSError, ValueError, tifffile.TiffFileError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a label image: {error}") from error
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
        arrays: dict[str, Array] = loadmat(path)
    except NotImplementedError as error:
        raise UnreadableFileError(
            f"{path} is a MAT file of version 7.3 (HDF5); save it with '-v7', or as NPY"
        ) from error
    except Exception as error:  # scipy lets zlib, struct and index errors through
        raise UnreadableFileError(f"{path} cannot be read as a MAT file: {error}") from error
    if "inst_map" not in arrays:
        found = ", ".join(sorted(k for k in arrays if not k.startswith("__"))) or "nothing"
        raise UnreadableFileError(f"{path} holds {found}; expected at least 'inst_map'")
    return arrays


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


def _decoded(path: Path) -> Array:
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error}") from error
    pixels: Array | None = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise UnreadableFileError(
            f"{path} ({data.size} bytes) is not a readable picture: damaged or cut short; "
            "fetch it again, or remove it with its labels"
        )
    if pixels.ndim == 2:
        return pixels[:, :, None]
    order = [2, 1, 0, 3][: pixels.shape[2]]  # OpenCV gives blue first
    return pixels[:, :, order]


def _tiff(path: Path) -> Array:
    try:
        pixels: Array = tifffile.imread(path)
    except (OSError, ValueError, tifffile.TiffFileError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a TIFF: {error}") from error
    if pixels.ndim == 2:
        return pixels[:, :, None]
    planar = pixels.ndim == 3 and pixels.shape[0] in (3, 4) and pixels.shape[2] not in (3, 4)
    return np.moveaxis(pixels, 0, -1) if planar else pixels


def _on_white(pixels: Array) -> Array:
    opaque = pixels[:, :, 3:]
    if opaque.min(initial=255) == 255:
        return pixels[:, :, :3]
    share = opaque.astype(np.float32) / 255
    return np.rint(pixels[:, :, :3] * share + 255 * (1 - share)).astype(np.uint8)
