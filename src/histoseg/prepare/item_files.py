"""The files of one item in the stored layout, and its row in the table."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from histoseg.contracts import Array
from histoseg.ops.instance_pixels import instance_pixels, majority
from histoseg.prepare.item import Item
from histoseg.writers.files import whole_file
from histoseg.writers.picture import write_png

COLUMNS = ("id", "split", "group", "tissue", "height", "width", "mpp", "nuclei")
SUFFIX = {"images": ".png", "instances": ".tif", "semantic": ".png", "ignore": ".png"}
SUFFIX |= {"points": ".csv"}


def write_files(root: Path, item: Item) -> list[str]:
    """Write the arrays of an item, each file whole or not at all.

    Args:
        root: Of the set.
        item: Checked.

    Returns:
        What was written, relative to ``root``.

    Raises:
        OSError: If the disk is full or may not be written.
    """
    arrays: dict[str, Array | None] = {
        "images": item.image,
        "instances": item.instances,
        "semantic": item.semantic,
    }
    arrays |= {"ignore": item.ignore, "points": item.points}
    if item.points is not None and not item.instances.any():
        arrays["instances"] = None  # only the places are known: an empty map would be a lie
    files = []
    for part, array in arrays.items():
        if array is not None:
            path = root / part / f"{item.id}{SUFFIX[part]}"
            _write_array(path, part, array)
            files.append(path.relative_to(root).as_posix())
    return files


def _write_array(path: Path, part: str, array: Array) -> None:
    if part == "images":
        write_png(path, array)
        return
    with whole_file(path) as file:
        if part == "instances":
            tifffile.imwrite(file, array.astype(np.int32), compression="zlib")
        elif part == "points":
            file.write(_points_csv(array))
        else:
            gray = array.astype(np.uint8) * (255 if part == "ignore" else 1)
            file.write(cv2.imencode(".png", gray)[1].tobytes())


def _points_csv(points: Array) -> bytes:
    lines = [f"{x:.3f},{y:.3f},{int(kind)}" for x, y, kind in points.tolist()]
    return "\n".join(["x,y,class", *lines, ""]).encode()


def item_row(item: Item, classes: Sequence[str]) -> dict[str, Any]:
    """Give the row of ``items.csv``: what is known of an item, and its nuclei by class.

    Args:
        item: As read.
        classes: Names of classes 1..K.

    Returns:
        Value by column; ``image_sha256`` is of the pixels, row by row, RGB.
    """
    pixels = instance_pixels(item.instances)
    row: dict[str, Any] = {
        "id": item.id,
        "split": item.split,
        "group": item.group or item.id,
        "tissue": item.tissue,
        "height": item.image.shape[0],
        "width": item.image.shape[1],
        "mpp": "" if item.mpp is None else item.mpp,
        "nuclei": len(pixels),
    }
    kinds = None
    if item.semantic is not None and classes:
        kinds = majority(pixels.votes(item.semantic))[0] if len(pixels) else np.zeros(0, int)
    elif item.points is not None:
        kinds, row["nuclei"] = item.points[:, 2].astype(int), len(item.points)
    if kinds is not None and classes:
        counts = np.bincount(kinds, minlength=len(classes) + 1)
        row |= dict(zip(classes, counts[1:].tolist(), strict=True))
    row["image_sha256"] = hashlib.sha256(item.image.tobytes()).hexdigest()
    return row
