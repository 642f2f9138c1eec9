"""What a model sees and says, as pictures: the cells of panels and sheets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from histoseg.contracts import Array
from histoseg.ops.instances import instances_from_labels
from histoseg.writers.overlay import UNCLASSIFIED, draw_outlines
from histoseg.writers.panel import colour_semantic, hv_to_rgb

Colours = Sequence[tuple[int, int, int]]


def to_uint8(image: Tensor) -> Array:
    """Turn an image (3, H, W) in [0, 1] into a picture (H, W, 3) in 0..255."""
    array = image.detach().float().cpu().mul(255).round().clamp(0, 255).numpy()
    return np.ascontiguousarray(array.astype(np.uint8).transpose(1, 2, 0))


def outlined(image: Array, labels: Array, semantic: Array | None, colours: Colours) -> Array:
    """Outline each object of a label map in the colour of its class.

    Args:
        image: (H, W, 3), uint8.
        labels: (H, W), ids; 0 is background.
        semantic: (H, W), classes 0..K; None where there are none.
        colours: K RGB triples; none draws every object in the colour of no class.

    Returns:
        (H, W, 3), uint8.
    """
    found = instances_from_labels(labels, semantic if colours else None)
    palette = np.array([UNCLASSIFIED, *colours], dtype=np.uint8)
    return draw_outlines(image, found, palette[found.semantic], thickness=1)


def map_pictures(name: str, values: Array, colours: Colours) -> dict[str, Array]:
    """Draw one map of a network or a target, by its number of channels.

    Args:
        name: Of the map.
        values: (C, H, W), float32. One channel in [0, 1] is drawn gray, two in [-1, 1] as signed
            distances, more as the class of the highest.
        colours: RGB triples of the classes.

    Returns:
        Pictures (H, W, 3), uint8, by title.
    """
    if len(values) == 1:
        gray = (values[0].clip(0, 1) * 255).astype(np.uint8)
        return {name: np.repeat(gray[..., None], 3, axis=2)}
    if len(values) == 2:
        return {f"{name} {axis}": hv_to_rgb(v) for axis, v in zip("xy", values, strict=True)}
    return {name: colour_semantic(values.argmax(0), colours)}
