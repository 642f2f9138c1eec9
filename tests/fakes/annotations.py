"""Tissue of discs in two classes, drawn in QuPath: what a user has before anything is prepared."""

from pathlib import Path

import numpy as np
from PIL import Image

from fakes.discs import discs
from histoseg.contracts import Array, Prediction
from histoseg.writers import write_geojson
from writers.drawn import instances_of

CLASSES = ("tumour", "lymphocyte")
COLOURS = ((200, 0, 0), (0, 150, 60))


def predicted(number: int, size: int = 140) -> Prediction:
    """Picture ``number`` with its true nuclei, as writers take it."""
    image, labels = discs(number, size, size, 9)
    kinds = {int(key): 1 + int(key) % 2 for key in np.unique(labels) if key}
    return Prediction(
        f"p{number // 2}_{number}", image, instances_of(labels, kinds), CLASSES, COLOURS, 0.25
    )


def write(root: Path, count: int = 6, size: int = 140) -> dict[str, tuple[Array, Array]]:
    """Write ``images/*.png`` and ``qupath/*.geojson``.

    Returns:
        Instance and class map by name.
    """
    truth = {}
    (root / "images").mkdir(parents=True)
    for number in range(count):
        one = predicted(number, size)
        Image.fromarray(one.image).save(root / "images" / f"{one.name}.png")
        path = write_geojson(root, one)
        (root / "qupath").mkdir(exist_ok=True)
        path.rename(root / "qupath" / path.name)
        truth[one.name] = one.instances.labels, one.instances.semantic_map()
    (root / "geojson").rmdir()
    return truth
