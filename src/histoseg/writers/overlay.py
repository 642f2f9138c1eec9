from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from histoseg.contracts import Array, Instances, Predicted, Prediction
from histoseg.writers.files import result_path
from histoseg.writers.legend import legend
from histoseg.writers.picture import write_png

UNCLASSIFIED = (0, 255, 255)
"""Cyan stands out from haematoxylin, eosin and DAB, and is in none of the usual class palettes."""


def draw_outlines(image: Array, instances: Instances, colours: Array, thickness: int = 2) -> Array:
    """Draw the border of each object, inside of it; where two touch, half a line in each.

    Args:
        image: (H, W, 3), uint8.
        instances: N objects of the same frame.
        colours: (N, 3), uint8, one for each object.
        thickness: Of the line, px, at least 1.

    Returns:
        (H, W, 3), uint8, a copy.

    Raises:
        ValueError: If image and label array differ in size, or colours in number.

    Example:
        >>> labels = np.zeros((5, 5), np.int32)
        >>> labels[1:4, 1:4] = 7
        >>> square = Instances(labels, np.array([7]), *[np.zeros(1)] * 4, (np.zeros((1, 2)),))
        >>> red = np.array([[255, 0, 0]], np.uint8)
        >>> draw_outlines(np.zeros((5, 5, 3), np.uint8), square, red, 1)[..., 0]
        array([[  0,   0,   0,   0,   0],
               [  0, 255, 255, 255,   0],
               [  0, 255,   0, 255,   0],
               [  0, 255, 255, 255,   0],
               [  0,   0,   0,   0,   0]], dtype=uint8)
    """
    labels = instances.labels
    if image.shape != (*labels.shape, 3) or len(colours) != len(instances):
        raise ValueError(
            f"image {image.shape} and {len(colours)} colours do not fit labels {labels.shape} and"
            f" {len(instances)} objects"
        )
    drawn = image.copy()
    if len(instances):
        y, x = np.nonzero(_border(labels, thickness))
        row = np.searchsorted(instances.ids, labels[y, x]).clip(max=len(instances) - 1)
        known = instances.ids[row] == labels[y, x]
        drawn[y[known], x[known]] = colours[row[known]]
    return drawn


def _border(labels: Array, thickness: int) -> Array:
    """Pixels of objects near another label; half as deep beside another object as beside none."""
    framed = np.pad(labels, 1)
    inner = framed[1:-1, 1:-1]
    beside_none: Array = np.zeros(labels.shape, dtype=np.uint8)
    beside_other: Array = np.zeros(labels.shape, dtype=np.uint8)
    for there in (framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]):
        beside_none |= there == 0
        beside_other |= there != inner
    near = _grown(beside_none, thickness) | _grown(beside_other, (thickness + 1) // 2)
    return (near > 0) & (labels > 0)


def _grown(mask: Array, thickness: int) -> Array:
    size = 2 * thickness - 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))


def draw_dots(thumbnail: Array, prediction: Predicted) -> Array:
    """Draw a dot in the colour of its class at each nucleus, on a picture of the whole slide.

    Args:
        thumbnail: (h, w, 3), uint8: the whole of the prediction's frame, shrunk.
        prediction: Whose nuclei.

    Returns:
        (h, w, 3), uint8, a copy.
    """
    drawn = thumbnail.copy()
    palette = np.array([UNCLASSIFIED, *prediction.colours], dtype=np.uint8)
    rows, columns = drawn.shape[:2]
    factor = np.array([columns / prediction.size[1], rows / prediction.size[0]])
    for part in prediction.parts():
        kinds = part.semantic if prediction.classes else np.zeros_like(part.semantic)
        x, y = ((part.centroid_xy + 0.5) * factor).astype(np.int64).T
        drawn[y.clip(0, rows - 1), x.clip(0, columns - 1)] = palette[kinds]
    return drawn


def write_overlay(folder: Path, prediction: Predicted) -> Path:
    """Write the image with each nucleus outlined in the colour of its class, as PNG.

    Below the image a legend tells the classes and how many nuclei each has; the image itself keeps
    its size and stays in the upper left corner. Nuclei without class are cyan. Of a slide it is the
    thumbnail, and a nucleus one pixel of it.

    Args:
        folder: Of all results; the file is ``overlay/{name}.png`` below it.
        prediction: Of an image, or of a slide with thumbnail.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
        ValueError: If a slide has no thumbnail.
    """
    path = result_path(folder, prediction.name, "overlay", ".png")
    if isinstance(prediction, Prediction):
        found = prediction.instances
        palette = np.array([UNCLASSIFIED, *prediction.colours], dtype=np.uint8)
        kinds = found.semantic if prediction.classes else np.zeros_like(found.semantic)
        drawn = draw_outlines(prediction.image, found, palette[kinds])
    elif prediction.thumbnail is not None:
        drawn = draw_dots(prediction.thumbnail, prediction)
    else:
        raise ValueError(f"{prediction.name} has no thumbnail to draw on: leave out the overlay")
    return write_png(path, np.concatenate([drawn, legend(_counts(prediction), drawn.shape[1])]))


def _counts(prediction: Predicted) -> list[tuple[str, tuple[int, int, int]]]:
    """What the legend says: each class with its number of nuclei, and its colour."""
    total = np.zeros(1 + len(prediction.classes), dtype=np.int64)
    for part in prediction.parts():
        kinds = part.semantic if prediction.classes else np.zeros_like(part.semantic)
        total += np.bincount(kinds, minlength=len(total))
    none, *counts = total.tolist()
    rows = [
        (f"{name} {count}", colour)
        for name, colour, count in zip(prediction.classes, prediction.colours, counts, strict=True)
    ]
    if none or not rows:
        rows.append((f"{'no class' if rows else 'nuclei'} {none}", UNCLASSIFIED))
    return rows
