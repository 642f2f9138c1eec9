"""The transform between two full pictures, and its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.registration.affine import move, parts_of, shrinking
from histoseg.registration.bspline import Bending, read_bending

FORMAT = "histoseg registration 1"
CONVENTION = (
    "Points are (x, y) in pixels of the full pictures, x to the right and y down, the centre of the"
    " upper left pixel is (0, 0). (x, y, 1) of moving = moving_from_fixed @ (x, y, 1) of fixed."
    " With a B-spline, a fixed point is bent by it first, in pixels of the reduced fixed picture."
)
SPLINE = "bspline.tfm"


@dataclass(frozen=True)
class Transform:
    """From the fixed picture to the moving one.

    Attributes:
        matrix: (3, 3), float64: moving = matrix @ fixed, in pixels of the full pictures.
        reduced: Full pixels of the fixed picture per pixel of the reduced one, along x and y.
        bending: In pixels of the reduced fixed picture, before the matrix; None for an affine.
    """

    matrix: Array
    reduced: tuple[float, float] = (1.0, 1.0)
    bending: Bending | None = None

    def points(self, points_xy: Array) -> Array:
        """Move points (N, 2) from the fixed picture to the moving one."""
        if self.bending is not None:
            full = shrinking(self.reduced)
            points_xy = move(full, self.bending.move(move(np.linalg.inv(full), points_xy)))
        return move(self.matrix, points_xy)

    def facts(self) -> dict[str, Any]:
        """What the JSON says of it."""
        angle, scale, shear = parts_of(self.matrix)
        spline = None
        if self.bending is not None:
            spline = {
                "file": SPLINE,
                "reduced_size": list(self.bending.field.shape[:2]),
                "full_pixels_per_reduced": list(self.reduced),
            }
        return {
            "format": FORMAT,
            "convention": CONVENTION,
            "moving_from_fixed": self.matrix.tolist(),
            "fixed_from_moving": np.linalg.inv(self.matrix).tolist(),
            "angle_degrees": angle,
            "scale": scale,
            "shear": shear,
            "bspline": spline,
        }


def read_transform(path: Path) -> Transform:
    """Read a transform that ``histoseg register`` wrote.

    Args:
        path: ``transform.json``; a B-spline lies beside it.

    Raises:
        UnreadableFileError: If it is missing or not such a file.
    """
    try:
        facts = orjson.loads(path.read_bytes())
        if facts["format"] != FORMAT:
            raise ValueError(f"its format is {facts['format']!r}, expected {FORMAT!r}")
        matrix = np.array(facts["moving_from_fixed"], np.float64).reshape(3, 3)
        spline = facts["bspline"]
        if spline is None:
            return Transform(matrix)
        bending = read_bending(path.parent / spline["file"], tuple(spline["reduced_size"]))
        return Transform(matrix, tuple(spline["full_pixels_per_reduced"]), bending)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnreadableFileError(f"{path} is no transform of ours: {error}") from error
