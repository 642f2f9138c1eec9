"""A grid of numbers over an image, as TIFF and CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from histoseg.contracts import Array
from histoseg.writers.files import whole_file
from histoseg.writers.score_files import write_csv

PAGE_NAME = 285  # TIFF tag


def write_density_tiff(path: Path, layers: Mapping[str, Array], pixel_um: float | None) -> Path:
    """Write layers of a grid as pages of a TIFF, float32, a pixel a bin.

    Args:
        path: The file.
        layers: (rows, columns) each, by name, which becomes the name of the page. NaN stays NaN.
        pixel_um: Side of a bin in micrometres: the resolution; None where unknown.

    Raises:
        OSError: If it cannot be written.
    """
    with whole_file(path) as file, tifffile.TiffWriter(file) as tiff:
        for name, values in layers.items():
            tiff.write(
                values.astype(np.float32),
                photometric="minisblack",
                compression="zlib",
                predictor=False,
                metadata=None,
                description=name.encode("ascii", "replace").decode(),
                resolution=(1e4 / pixel_um,) * 2 if pixel_um else (1, 1),
                resolutionunit="CENTIMETER" if pixel_um else "NONE",
                software="histoseg",
                extratags=[(PAGE_NAME, "s", 0, name.encode("ascii", "replace").decode(), True)],
            )
    return path


def write_density_csv(
    path: Path, counts: Mapping[str, Array], values: Mapping[str, Array], side: int
) -> None:
    """Write a row for each bin that holds a nucleus.

    Args:
        path: The file.
        counts: (rows, columns), whole numbers, by name of the column.
        values: (rows, columns), by name of the column; NaN becomes empty.
        side: Of a bin, px: the columns ``x`` and ``y`` are its upper left corner.

    Raises:
        OSError: If it cannot be written.
    """
    write_csv(path, ["row", "column", "x", "y", *counts, *values], _rows(counts, values, side))


def _rows(
    counts: Mapping[str, Array], values: Mapping[str, Array], side: int
) -> Iterator[list[Any]]:
    held = np.logical_or.reduce([one > 0 for one in counts.values()])
    row, column = np.nonzero(held)
    whole = np.stack([row, column, column * side, row * side, *(v[held] for v in counts.values())])
    told = np.stack([v[held] for v in values.values()], axis=1)
    for numbers, more in zip(whole.T.tolist(), told.tolist(), strict=True):
        yield [*numbers, *("" if v != v else float(f"{v:.6g}") for v in more)]
