"""What tables tell of each nucleus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from histoseg.contracts import Array, Predicted
from histoseg.ops.shapes import measure_shapes
from histoseg.writers.batches import Batch

COLUMNS = (
    "id",
    "class",
    "score",
    "x",
    "y",
    "area_px",
    "perimeter_px",
    "eccentricity",
    "area_um2",
    "perimeter_um",
    "solidity",
)


def columns(prediction: Predicted, batch: Batch) -> dict[str, Sequence[Any]]:
    """The rows of some nuclei, column by column.

    Args:
        prediction: Theirs.
        batch: The nuclei.

    Returns:
        `COLUMNS`, then the measures of the nuclei. ``x`` and ``y`` are the centroid in pixels of
        the image, or of the slide at full size, the centre of the first pixel being (0, 0); sizes
        are those of `histoseg.ops.shapes.Shapes`. None stands for what is not known.
    """
    nuclei, mpp, scale = batch.nuclei, prediction.mpp, np.array(prediction.scale_xy)
    shapes = measure_shapes(batch.contours, batch.rings)
    names = (None, *prediction.classes)
    x, y = (
        (nuclei.centroid_xy + 0.5) * scale - 0.5 if (scale != 1).any() else nuclei.centroid_xy
    ).T
    area = shapes.area * scale.prod()
    unknown = [None] * len(nuclei)
    values: tuple[Sequence[Any], ...] = (
        nuclei.ids.tolist(),
        [names[k] if prediction.classes else None for k in nuclei.semantic.tolist()],
        _rounded(nuclei.score, 4),
        _rounded(x, 2),
        _rounded(y, 2),
        area.astype(np.int64).tolist() if scale.prod() == 1 else _rounded(area, 2),
        _rounded(shapes.perimeter * scale.prod() ** 0.5, 2),
        _rounded(shapes.eccentricity, 4),
        unknown if mpp is None else _rounded(shapes.area * mpp**2, 3),
        unknown if mpp is None else _rounded(shapes.perimeter * mpp, 3),
        _rounded(shapes.solidity, 4),
    )
    named = dict(zip(COLUMNS, values, strict=True))
    return named | {name: _rounded(more, 4) for name, more in nuclei.measures.items()}


def _rounded(values: Array, digits: int) -> list[float]:
    return list(values.astype(np.float64).round(digits).tolist())
