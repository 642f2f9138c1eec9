"""One image of one's own with its annotation file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from histoseg.annotations import (
    LABEL_SUFFIXES,
    Drawing,
    Dropped,
    Objects,
    Overlap,
    Shape,
    rasterise,
    read_drawing,
    read_objects,
    without_regions,
)
from histoseg.errors import UnreadableFileError
from histoseg.prepare.class_names import ClassNames
from histoseg.prepare.item import Item
from histoseg.slides import read_image

SAME_SHAPE = 0.01  # by how much the sides of a scaled image may differ in their ratio


@dataclass(frozen=True)
class Rules:
    """How annotations become maps: see `histoseg.prepare.OwnAnnotations`."""

    names: ClassNames | None
    unknown: Literal["drop", "error"]
    overlap: Overlap
    regions: bool
    mpp: float | None


def read_own(path: Path, picture: Path, drawing: Drawing | None, group: str, rules: Rules) -> Item:
    """Read an image and its annotations.

    Where the file says the size of the image it was drawn on, and the picture is a smaller or
    larger copy of it, the annotations are scaled with it.

    Args:
        path: The annotations.
        picture: The image.
        drawing: What the file holds of this image, if it was read already.
        group: Of the item.
        rules: For the maps.

    Returns:
        The item, named by the stem of the picture.

    Raises:
        UnreadableFileError: If one of them cannot be read, or they do not fit each other.
    """
    # annotations lie on the pixels as stored: an EXIF rotation would part the two
    image = read_image(picture, upright=False)
    size = image.shape[0], image.shape[1]
    mpp = rules.mpp
    if path.suffix.lower() in LABEL_SUFFIXES:
        maps = _numbered(read_objects(path, size), rules.names, path)
    else:
        drawing = read_drawing(path, picture.name) if drawing is None else drawing
        shapes, factor = _fitted(drawing, size, path)
        if mpp is None and drawing.mpp is not None:
            mpp = drawing.mpp / factor
        maps = _painted(shapes, drawing.dropped, size, rules)
    unknown = [d for d in maps.dropped if d.why.startswith("unknown class")]
    if unknown and rules.unknown == "error":
        raise UnreadableFileError(f"{path}, {unknown[0].where}: {unknown[0].why}")
    return Item(
        id=picture.stem,
        image=image,
        instances=maps.instances,
        semantic=maps.semantic,
        group=group,
        mpp=mpp,
        dropped=maps.dropped,
    )


def _painted(
    shapes: Sequence[Shape], dropped: tuple[Dropped, ...], size: tuple[int, int], rules: Rules
) -> Objects:
    names = rules.names
    if not rules.regions:
        shapes, around = without_regions(shapes)
        dropped += around
    class_of = None if names is None else lambda s: names.number(s.label, s.colour)
    maps = rasterise(shapes, class_of, size, overlap=rules.overlap)
    return Objects(maps.instances, maps.semantic, dropped + maps.dropped)


def _fitted(drawing: Drawing, size: tuple[int, int], path: Path) -> tuple[Sequence[Shape], float]:
    """Shapes in pixels of the image, and how much larger it is than what they were drawn on."""
    if drawing.size is None or drawing.size == size:
        return drawing.shapes, 1.0
    y, x = size[0] / drawing.size[0], size[1] / drawing.size[1]
    # a pixel of rounding at each side, too
    slack = SAME_SHAPE + 1 / min(size) + 1 / min(drawing.size)
    if abs(x / y - 1) > slack:
        raise UnreadableFileError(
            f"{path} was drawn on an image of {drawing.size[1]} x {drawing.size[0]} pixels; this "
            f"one has {size[1]} x {size[0]} and another shape: is it the right image?"
        )
    return [shape.scaled((x, y)) for shape in drawing.shapes], (x + y) / 2


def _numbered(objects: Objects, names: ClassNames | None, path: Path) -> Objects:
    """Maps of a label image, with the classes of the configuration."""
    if names is None:
        return Objects(objects.instances, None, objects.dropped)
    if objects.semantic is None:
        raise UnreadableFileError(
            f"{path} holds no classes; use a MAT file with type_map, or an NPY of ids and class"
        )
    table = np.zeros(256, dtype=np.uint8)
    dropped = list(objects.dropped)
    for number in np.unique(objects.semantic[objects.instances > 0]).tolist():
        wanted = names.number(str(number), None)
        table[number] = wanted or 0
        if wanted is None:
            count = len(np.unique(objects.instances[objects.semantic == number]))
            dropped.append(Dropped(f"class {number}", f"unknown class: {count} objects"))
    semantic = table[objects.semantic]
    return Objects(np.where(semantic > 0, objects.instances, 0), semantic, tuple(dropped))
