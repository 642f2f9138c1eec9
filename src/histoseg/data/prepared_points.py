from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from typing_extensions import override

from histoseg.contracts import Array, Place, Record
from histoseg.data.prepared import PreparedNuclei
from histoseg.errors import UnreadableFileError
from histoseg.slides import read_image


class PreparedPoints(PreparedNuclei):
    """A set in the stored layout of which only the places of nuclei are known: for evaluation.

    It gives no instance maps, so no model can be trained on it.

    Args:
        root: As in `PreparedNuclei`.
        classes: As in `PreparedNuclei`.
        resample: Micrometres per pixel at which the images are given, with their points; one
            whose resolution is unknown, and all where this is None, are given as stored.
        options: What else `PreparedNuclei` takes.

    Raises:
        ValueError: If ``resample`` is not positive.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"image", "points", "tissue", "place"})

    def __init__(
        self,
        root: str | Path,
        classes: tuple[str, ...] = (),
        resample: float | None = None,
        **options: Any,
    ) -> None:
        if resample is not None and not resample > 0:
            raise ValueError(f"resample is {resample}; expected micrometres per pixel above 0")
        self.resample = resample
        super().__init__(root, classes, **options)

    @override
    def read(self, name: str) -> Record:
        image = read_image(self.root / "images" / f"{name}.png", upright=False)
        points = _read_points(self.root / "points" / f"{name}.csv", len(self._table) - 1)
        points[:, 2] = self._table[points[:, 2].astype(np.intp)]
        row = self.rows[name]
        mpp = float(row["mpp"] or self.mpp)
        if self.resample is not None and mpp > 0 and mpp != self.resample:
            image, points = _scaled(image, points, mpp / self.resample)
            mpp = self.resample
        place = Place(name, 0, 0, mpp)
        return Record(image=image, points=points, tissue=row["tissue"], place=place)


def _scaled(image: Array, points: Array, factor: float) -> tuple[Array, Array]:
    """Resample an image and move its points along; pixel centres lie on integers."""
    size = [max(1, round(side * factor)) for side in image.shape[1::-1]]  # width, height
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    exact = np.array(size) / image.shape[1::-1]
    moved = points.copy()
    moved[:, :2] = (points[:, :2] + 0.5) * exact - 0.5
    return cv2.resize(image, size, interpolation=how), moved


def _read_points(path: Path, classes: int) -> Array:
    """x, y and class of each line: (N, 3), float32."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["x"], row["y"], row["class"]) for row in csv.DictReader(file)]
        points = np.array(rows, dtype=np.float32).reshape(-1, 3)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UnreadableFileError(f"{path} holds no points ({error!r}); prepare again") from error
    kinds = points[:, 2]
    if not (np.isfinite(points).all() and ((kinds >= 0) & (kinds <= classes)).all()):
        raise UnreadableFileError(
            f"{path} holds a place that is not a number or a class outside 0..{classes}; "
            "prepare again"
        )
    return points
