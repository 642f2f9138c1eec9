"""COCO's instance annotations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from histoseg.annotations.collect import Collector, Said, as_number, as_score
from histoseg.annotations.drawing import Drawing
from histoseg.annotations.json_file import read_json
from histoseg.annotations.rasterise import check_size
from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.ops.run_lengths import column_boxes, decode_counts


def read_coco(path: Path) -> dict[str, Drawing]:
    """Read the objects of each image: polygons and run lengths, compressed or not.

    Several polygons of one object are joined. Crowds and objects with only a box are dropped. The
    label is the name of the category, the colour its "color", which some programs write.

    Coordinates count from the upper left corner of the first pixel, as COCO's own mask code takes
    them (a polygon along pixel edges gives exactly its pixels), so 0.5 is subtracted.

    Args:
        path: JSON, plain or packed.

    Returns:
        By ``file_name``, in the order of the file.

    Raises:
        UnreadableFileError: If it is no JSON of this kind, or an image is too large.
    """
    return drawings_of(read_json(path), path)


def drawings_of(content: Any, path: Path) -> dict[str, Drawing]:
    """`read_coco` of parsed JSON; ``path`` is for messages."""
    if not is_coco(content):
        raise UnreadableFileError(f"{path} is not COCO: expected lists 'images' and 'annotations'")
    images = by_id(content["images"], path, "images")
    kinds = by_id(content.get("categories") or [], path, "categories")
    sizes = {key: size_of(image, path) for key, image in images.items()}
    found = {key: Collector() for key in images}
    for n, annotation in enumerate(content["annotations"]):
        key = _key(annotation.get("image_id")) if isinstance(annotation, dict) else None
        if key not in found:
            raise UnreadableFileError(f"{path}, annotations[{n}]: there is no image {key!r}")
        add_annotation(found[key], n, annotation, kinds, sizes[key])
    drawings = {
        str(images[key]["file_name"]): collector.drawing(sizes[key], image=images[key]["file_name"])
        for key, collector in found.items()
    }
    if len(drawings) < len(images):
        raise UnreadableFileError(f"{path}: two images have the same file_name")
    return drawings


def add_annotation(
    found: Collector,
    n: int,
    annotation: Mapping[str, Any],
    kinds: Mapping[Any, Mapping[str, Any]],
    size: tuple[int, int],
) -> None:
    """Gather what annotation number ``n`` draws on an image of a size."""
    key = annotation.get("id", n)
    said = _said(kinds.get(_key(annotation.get("category_id"))))
    said |= {"score": as_score(annotation.get("score")), "number": as_number(key)}
    _add(found, f"annotation {key}", annotation, size, said)


def is_coco(content: Any) -> bool:
    """Whether parsed JSON looks like COCO."""
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ("images", "annotations")
    )


def _key(value: Any) -> int | str | None:
    """What can be an id; lists and mappings cannot."""
    return value if isinstance(value, (int, str)) else None


def by_id(rows: Any, path: Path, name: str) -> dict[Any, dict[str, Any]]:
    """Rows of one of COCO's lists by their id."""
    need = ("id", "file_name") if name == "images" else ("id", "name")
    if not isinstance(rows, list):
        raise UnreadableFileError(f"{path}: its {name} are no list")
    for n, row in enumerate(rows):
        if not isinstance(row, dict) or any(not isinstance(row.get(k), (int, str)) for k in need):
            raise UnreadableFileError(f"{path}, {name}[{n}]: expected a mapping with {need}")
    return {row["id"]: row for row in rows}


def size_of(image: Mapping[str, Any], path: Path) -> tuple[int, int]:
    """(height, width) of one of COCO's images."""
    height, width = image.get("height"), image.get("width")
    name = f"image {image['file_name']} of {path}"
    if not isinstance(height, int) or not isinstance(width, int):
        raise UnreadableFileError(f"{name} has height {height!r} and width {width!r}")
    check_size((height, width), name)
    return height, width


def _said(category: Mapping[str, Any] | None) -> Said:
    if category is None:
        return {}
    return {"label": str(category["name"]), "colour": _colour(category.get("color"))}


def _colour(value: Any) -> tuple[int, int, int] | None:
    if not isinstance(value, list) or len(value) < 3 or not all(map(_is_byte, value)):
        return None
    return value[0], value[1], value[2]


def _is_byte(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= 255


def _add(
    found: Collector, where: str, annotation: Mapping[str, Any], size: tuple[int, int], said: Said
) -> None:
    drawn = annotation.get("segmentation")
    try:
        if annotation.get("iscrowd"):
            raise ValueError("a crowd, not one object")
        if isinstance(drawn, dict):
            found.polygon(where, _boxes(drawn, size), check=False, **said)
        elif isinstance(drawn, list) and drawn:
            found.polygon(where, _joined([_pairs(part) for part in drawn]), **said)
        else:
            raise ValueError("it has no outline, only a box")
    except (ValueError, TypeError, OverflowError) as error:
        found.drop(where, str(error))


def _pairs(flat: Any) -> Array:
    points = np.asarray(flat, dtype=np.float64)
    if points.ndim != 1 or len(points) % 2 or len(points) < 6:
        raise ValueError(f"a polygon of {points.size} numbers, expected x, y of 3 points or more")
    return points.reshape(-1, 2)


def _joined(rings: list[Array]) -> list[Array]:
    """Outline of the union of several parts; one part as it is."""
    if len(rings) == 1 or not all(np.isfinite(ring).all() for ring in rings):
        return rings
    whole = shapely.union_all([shapely.make_valid(shapely.Polygon(ring)) for ring in rings])
    parts = [part for part in shapely.get_parts(whole) if part.geom_type == "Polygon"]
    return [shapely.get_coordinates(r) for p in parts for r in (p.exterior, *p.interiors)] or rings


def _boxes(drawn: Mapping[str, Any], size: tuple[int, int]) -> Array:
    counts, shape = drawn.get("counts"), drawn.get("size")
    if not isinstance(shape, list) or tuple(shape) != size:
        raise ValueError(f"its runs are of size {shape}, the image of {list(size)}")
    lengths = decode_counts(counts) if isinstance(counts, str) else _whole(counts)
    boxes = column_boxes(lengths, size).astype(np.float64)
    if not len(boxes):
        raise ValueError("its runs have no pixel")
    x, top, bottom = boxes.T
    corners = np.stack([x, top, x + 1, top, x + 1, bottom, x, bottom], axis=1)
    return corners.reshape(-1, 4, 2)


def _whole(counts: Any) -> Array:
    lengths = np.asarray(counts)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise ValueError("its run lengths are no list of whole numbers")
    return lengths.astype(np.int64)
