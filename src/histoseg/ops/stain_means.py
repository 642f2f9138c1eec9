"""How much dye there is in each nucleus."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array, Instances
from histoseg.ops.stain import hed_from_rgb

STAINS = ("Hematoxylin", "Eosin", "DAB")
LN10 = float(np.log(10))


def stain_means(image: Array, found: Instances) -> dict[str, Array]:
    """Mean optical density of hematoxylin, eosin and DAB in each object, for `Nuclei.measures`.

    Args:
        image: (H, W, 3), uint8 RGB.
        found: N objects of the same region.

    Returns:
        ``"Hematoxylin OD mean"``, ``"Eosin OD mean"`` and ``"DAB OD mean"``: each (N,), float32, of
        the decadic logarithm, as QuPath tells them; by the vectors of Ruifrok and Johnston, not
        those that QuPath estimates from an image.

    Raises:
        ValueError: If the image has another size than the label map.
    """
    if image.shape != (*found.labels.shape, 3):
        raise ValueError(f"image {image.shape} does not fit labels {found.labels.shape}")
    table = np.full(int(found.labels.max(initial=0)) + 1, -1)
    table[found.ids] = np.arange(len(found))
    row = table[found.labels.ravel()]
    pixel = np.flatnonzero((found.labels.ravel() > 0) & (row >= 0))
    row = row[pixel]
    density = hed_from_rgb(image.reshape(-1, 3)[pixel]) / LN10
    count = np.maximum(np.bincount(row, minlength=len(found)), 1)
    return {
        f"{stain} OD mean": (np.bincount(row, values, len(found)) / count).astype(np.float32)
        for stain, values in zip(STAINS, density.T, strict=True)
    }
