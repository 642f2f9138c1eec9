from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.writers.files import result_path
from histoseg.writers.pyramid_tiff import Compression, write_pyramid_tiff


def write_stain_tiff(
    folder: Path,
    name: str,
    size: tuple[int, int],
    parts: Iterable[tuple[int, int, Array]],
    *,
    stain: str = "stain",
    mpp: float | None = None,
    compression: Compression = "deflate",
) -> Path:
    """Write a translated slide as tiled pyramidal OME-TIFF, RGB.

    Args:
        folder: Of all results; the file is ``{stain}/{name}.ome.tif`` below it.
        name: Of the slide.
        size: (height, width).
        parts: (x, y, rgb) each, in any order: where it lies, and (h, w, 3), uint8. Where parts
            overlap the later counts: blend before.
        stain: What the picture shows.
        mpp: Micrometres per pixel.
        compression: ``deflate`` or ``zstd``.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    return write_pyramid_tiff(
        result_path(folder, name, stain, ".ome.tif"),
        size,
        parts,
        dtype=np.uint8,
        name=f"{name} {stain}",
        mpp=mpp,
        rgb=True,
        compression=compression,
    )
