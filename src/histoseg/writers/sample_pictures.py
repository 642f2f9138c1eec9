"""What a model sees and says, as pictures: the cells of panels and sheets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from histoseg.contracts import Array
from histoseg.ops.instances import instances_from_labels
from histoseg.writers.overlay import UNCLASSIFIED, draw_outlines
from histoseg.writers.panel import colour_semantic, hv_to_rgb

Colours = Sequence[tuple[int, int, int]]


def to_uint8(image: Tensor) -> Array:
    """Turn an image (C, H, W) in [0, 1] into a picture (H, W, 3) in 0..255.

    One channel is gray; of others the first three are red, green and blue.
    """
    shown = image.detach().float().cpu()
    if len(shown) == 2:
        shown = torch.cat([shown, torch.zeros_like(shown[:1])])
    array = shown[:3].expand(3, -1, -1).mul(255).round().clamp(0, 255).numpy()
    return np.ascontiguousarray(array.astype(np.uint8).transpose(1, 2, 0))


def panels(image: Tensor) -> dict[str, Tensor]:
    """Take apart what a network sees, three channels each.

    Args:
        image: (C, H, W): an image, or inputs of a translator on top of each other.

    Returns:
        Pictures (3 or fewer, H, W) by title: ``image``, or ``input 1`` and so on.
    """
    parts = torch.split(image, 3)
    if len(parts) == 1:
        return {"image": image}
    return {f"input {i}": part for i, part in enumerate(parts, 1)}


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


def dotted(image: Array, points: Array, colours: Colours) -> Array:
    """Draw a disc with a black rim at each point, in the colour of its class.

    Args:
        image: (H, W, 3), uint8.
        points: (N, 3): x, y in pixels, and class 0..K.
        colours: K RGB triples; none draws every point in the colour of no class.

    Returns:
        (H, W, 3), uint8.
    """
    palette = [UNCLASSIFIED, *colours]
    drawn = image.copy()
    for x, y, kind in points.tolist():
        colour = palette[int(kind)] if colours else UNCLASSIFIED
        centre = (round(x), round(y))
        cv2.circle(drawn, centre, 4, (0, 0, 0), -1, cv2.LINE_AA)
        cv2.circle(drawn, centre, 3, [int(c) for c in colour], -1, cv2.LINE_AA)
    return drawn


def hatched(image: Array, ignore: Array) -> Array:
    """Stripe what is ignored: (H, W, 3) uint8 and (H, W) bool to (H, W, 3) uint8."""
    rows, columns = np.indices(ignore.shape)
    stripes = ignore & ((rows + columns) % 6 < 2)
    drawn = image.copy()
    drawn[stripes] = 0
    return drawn


def map_pictures(name: str, values: Array, colours: Colours) -> dict[str, Array]:
    """Draw one map of a network or a target.

    Args:
        name: Of the map.
        values: (C, H, W), float32. One channel in [0, 1] is drawn gray, the two of ``hv``, in
            [-1, 1], as signed distances, others as the class of the highest.
        colours: RGB triples of the classes.

    Returns:
        Pictures (H, W, 3), uint8, by title.
    """
    if len(values) == 1:
        gray = (values[0].clip(0, 1) * 255).astype(np.uint8)
        return {name: np.repeat(gray[..., None], 3, axis=2)}
    if name == "hv":
        return {f"{name} {axis}": hv_to_rgb(v) for axis, v in zip("xy", values, strict=True)}
    return {name: colour_semantic(values.argmax(0), colours or [(255, 255, 255)])}
