"""How much light a picture swallows: mean optical densities, by dye and by channel."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array
from histoseg.ops.stain import hed_from_rgb, rgb_to_od

DENSITIES = ("hematoxylin", "eosin", "dab", "red", "green", "blue")


def mean_densities(image: Array) -> Array:
    """Mean optical densities of a brightfield picture.

    Args:
        image: (H, W, 3), uint8 in 0..255 or floating in [0, 1].

    Returns:
        (6,), float64, in the order of `DENSITIES`: amounts of the dyes by the vectors of Ruifrok
        and Johnston, then densities of the channels; decadic logarithm, as microscopes say it.

    Raises:
        ValueError: If the picture has not three channels.

    Example:
        >>> mean_densities(np.full((2, 2, 3), 0.1)).round(3)[3:].tolist()
        [1.0, 1.0, 1.0]
    """
    dyes = hed_from_rgb(image).reshape(-1, 3).mean(axis=0, dtype=np.float64)
    channels = rgb_to_od(image).reshape(-1, 3).mean(axis=0, dtype=np.float64)
    densities: Array = np.concatenate([dyes, channels]) / np.log(10)
    return densities
