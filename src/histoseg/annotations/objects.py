from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from histoseg.annotations.drawing import Drawing, Dropped, Shape
from histoseg.annotations.label_images import (
    LABEL_SUFFIXES,
    as_labels,
    mat_semantic,
    read_array,
    read_mat,
)
from histoseg.annotations.rasterise import check_size, rasterise
from histoseg.annotations.read import read_drawing
from histoseg.annotations.regions import without_regions
from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

OBJECT_SUFFIXES = (*LABEL_SUFFIXES, ".json", ".geojson", ".gz", ".xml", ".zip", ".roi")
PATCH_CHANNELS = {2: 0, 4: 3, 5: 3, 6: 3}  # channels of an NPY -> where the ids are


@dataclass(frozen=True)
class Objects:
    """The objects of one image, whatever the file.

    Attributes:
        instances: (H, W), int32. 0 is background; every other id is one object.
        semantic: (H, W), uint8: the class of each pixel, 0 where an object has none; None where
            the file knows no classes.
        dropped: What the file holds besides, and why it is not here.
    """

    instances: Array
    semantic: Array | None = None
    dropped: tuple[Dropped, ...] = ()


def read_objects(
    path: Path, size: tuple[int, int] | None = None, classes: Sequence[str] | None = None
) -> Objects:
    """Read predicted or true objects as maps.

    Args:
        path: MAT with ``inst_map`` and maybe ``type_map`` or ``inst_type``; PNG or TIFF of ids; NPY
            of ids, of [ids, class] as in CoNIC, or a patch [R, G, B, ids(, class)]; or a file that
            `read_drawing` reads, such as HoVer-Net JSON and GeoJSON.
        size: (height, width) of the image. Drawings are painted on a map of this size, else on the
            size in the file, else on the smallest that holds them; maps must have it.
        classes: Names of classes 1..K, to number the labels of a drawing. A label that is a number
            counts as it is. An object whose label is unknown stays, without class, and is reported.

    Returns:
        The maps. Of overlapping objects the smaller lies on top; regions around objects are left
        out, as by `without_regions`.

    Raises:
        UnreadableFileError: If it cannot be read, or is of another size.
    """
    if path.suffix.lower() not in LABEL_SUFFIXES:
        drawing = read_drawing(path)
        shapes, around = without_regions(drawing.shapes)
        drawing = replace(drawing, shapes=shapes, dropped=drawing.dropped + around)
        size = size or drawing.size or _reach(drawing.shapes)
        check_size(size, f"the map of {path}")
        return _painted(drawing, size, classes)
    objects = _of_mat(path) if path.suffix.lower() == ".mat" else _of_array(path)
    if size is not None and objects.instances.shape != tuple(size):
        raise UnreadableFileError(
            f"{path} is {objects.instances.shape}, its image {tuple(size)} (height, width)"
        )
    return objects


def _of_mat(path: Path) -> Objects:
    arrays = read_mat(path)
    instances = as_labels(arrays["inst_map"], f"inst_map of {path}")
    if not {"type_map", "inst_type"} & set(arrays):
        return Objects(instances)
    return Objects(instances, _bytes(mat_semantic(arrays, instances, path), path))


def _of_array(path: Path) -> Objects:
    values = read_array(path)
    if path.suffix.lower() != ".npy" or values.ndim != 3:
        return Objects(as_labels(values, str(path)))
    first = PATCH_CHANNELS.get(values.shape[2])
    if first is None:
        raise UnreadableFileError(
            f"{path} has shape {values.shape}; expected (H, W) of ids, (H, W, 2) of ids and class, "
            "or a patch (H, W, 4 or 5) of red, green, blue, ids and class"
        )
    instances = as_labels(values[..., first], f"ids of {path}")
    if values.shape[2] == first + 1:
        return Objects(instances)
    semantic = as_labels(values[..., first + 1], f"classes of {path}")
    return Objects(instances, _bytes(semantic, path))


def _bytes(semantic: Array, path: Path) -> Array:
    if semantic.max(initial=0) > 255:
        raise UnreadableFileError(f"{path} holds class {semantic.max()}; expected 0..255")
    return semantic.astype(np.uint8)


def _painted(drawing: Drawing, size: tuple[int, int], classes: Sequence[str] | None) -> Objects:
    shapes = drawing.shapes
    painted = rasterise(shapes, None, size, max_lost=1)
    dropped = drawing.dropped + painted.dropped
    if classes is None and not any(s.label and s.label.isdecimal() for s in shapes):
        return Objects(painted.instances, None, dropped)
    names = {name: number for number, name in enumerate(classes or (), start=1)}
    numbers = [_number(shape.label, names) for shape in shapes]
    table = np.array([0, *(number or 0 for number in numbers)], dtype=np.uint8)
    unknown = tuple(
        Dropped(shape.where, f"unknown class {shape.label!r}: kept without class")
        for shape, number in zip(shapes, numbers, strict=True)
        if number is None
    )
    return Objects(painted.instances, table[painted.instances], dropped + unknown)


def _number(label: str | None, names: dict[str, int]) -> int | None:
    if label is None:
        return 0
    if label in names:
        return names[label]
    return int(label) if label.isdecimal() and int(label) < 256 else None


def _reach(shapes: Sequence[Shape]) -> tuple[int, int]:
    """Smallest map that holds all shapes."""
    corners = [ring.max(axis=0) for s in shapes for ring in (s.exterior_xy, *s.holes_xy)]
    x, y = np.max(corners, axis=0) if corners else (0.0, 0.0)
    return max(int(np.floor(y)) + 1, 1), max(int(np.floor(x)) + 1, 1)
