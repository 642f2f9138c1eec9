"""Pictures too large for memory as tiled pyramidal OME-TIFF."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import imagecodecs
import numpy as np
import tifffile

from histoseg.contracts import Array
from histoseg.writers.files import whole_file
from histoseg.writers.pyramid import TILE, Pyramid, scratch

Compression = Literal["deflate", "zstd"]


def write_pyramid_tiff(
    path: Path,
    size: tuple[int, int],
    parts: Iterable[tuple[int, int, Array]],
    *,
    dtype: Any,
    name: str,
    mpp: float | None = None,
    background: tuple[int, int, int] | None = None,
    compression: Compression = "deflate",
) -> Path:
    """Write a picture given in parts, in memory that does not depend on its size.

    The parts are first laid out on disk beside the file, compressed.

    Args:
        path: The file.
        size: (height, width) of the picture.
        parts: (x, y, values) each: where it lies, and (h, w) labels, of which the first counts
            where parts overlap; or (h, w, 3), of which the last counts.
        dtype: Of the pixels.
        name: What the OME metadata call it.
        mpp: Micrometres per pixel.
        background: Colour of what no part covers; None where parts are labels, which are 0 there.
        compression: ``zstd`` is faster and smaller, older readers know ``deflate`` alone.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
        ValueError: If there is no such compression.
    """
    if compression not in ("deflate", "zstd"):
        raise ValueError(f"compression={compression}: expected deflate or zstd")
    store = path.parent / f".{path.name}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pyramid = Pyramid(scratch(store), size, dtype, background)
        for x, y, values in parts:
            pyramid.paint(x, y, values)
        pyramid.shrink()
        with whole_file(path) as file, tifffile.TiffWriter(file, bigtiff=True, ome=True) as tiff:
            _write_levels(tiff, pyramid, name, mpp, compression)
    finally:
        shutil.rmtree(store, ignore_errors=True)
    return path


def _write_levels(
    tiff: tifffile.TiffWriter,
    pyramid: Pyramid,
    name: str,
    mpp: float | None,
    compression: Compression,
) -> None:
    rgb = bool(pyramid.more)
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))  # the same result is the same file
    metadata: dict[str, Any] = {"axes": "YXS" if rgb else "YX", "Name": name, "UUID": identity}
    if mpp is not None:
        unit = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
        metadata |= {"PhysicalSizeX": mpp, "PhysicalSizeY": mpp, **unit}
    for number, level in enumerate(pyramid.levels):
        first = {"subifds": len(pyramid.levels) - 1, "metadata": metadata}
        resolution = 1e4 / mpp / 2**number if mpp else 1
        tiff.write(
            _encoded(pyramid, number, compression),
            shape=level.shape,
            dtype=pyramid.dtype,
            tile=(TILE, TILE),
            photometric="rgb" if rgb else "minisblack",
            compression="zlib" if compression == "deflate" else "zstd",
            predictor=2 if rgb else None,
            resolution=(resolution, resolution),
            resolutionunit="CENTIMETER" if mpp else "NONE",
            software="histoseg",
            **(first if number == 0 else {"subfiletype": 1}),
        )


def _encoded(pyramid: Pyramid, level: int, compression: Compression) -> Iterator[bytes]:
    """The tiles as the file holds them; one without content is packed once for all."""
    empty = np.full((TILE, TILE, *pyramid.more), pyramid.fill, pyramid.dtype)
    nothing = _packed(empty, compression)
    for tile in pyramid.tiles(level):
        yield nothing if tile is None else _packed(tile, compression)


def _packed(tile: Array, compression: Compression) -> bytes:
    if tile.ndim == 3:  # differences along a row, the predictor of the TIFF standard
        tile = np.diff(tile, axis=1, prepend=np.zeros_like(tile[:, :1]))
    if compression == "zstd":
        return bytes(imagecodecs.zstd_encode(tile.tobytes(), 5))
    return bytes(imagecodecs.zlib_encode(tile.tobytes(), 5))
