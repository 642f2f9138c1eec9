from __future__ import annotations

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.prepare.item import Item

HIGHEST = 2**31 - 1
"""Id that a stored map of int32 can hold."""


def check_item(item: Item, name: str, classes: int) -> None:
    """Refuse an item that does not hold together.

    Args:
        item: As read.
        name: The id under which it was found.
        classes: K, how many classes the set stores.

    Raises:
        UnreadableFileError: If ids, types, sizes or classes do not fit; names the item.
    """
    _check(item.id == name, name, f"it was found as {name!r} and read as {item.id!r}")
    image = item.image
    is_rgb = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and image.size > 0
    _check(is_rgb, name, f"its image is {image.dtype} {image.shape}; expected uint8 (H, W, 3)")
    maps = {"instance map": item.instances, "class map": item.semantic, "ignore map": item.ignore}
    for what, array in maps.items():
        if array is not None:
            _check_map(array, what, name, image.shape[:2])
    if classes:
        known = item.semantic is not None or item.points is not None
        _check(known, name, f"it has no class map, the set has {classes}")
        highest = 0 if item.semantic is None else int(item.semantic.max())
        _check(highest <= classes, name, f"its class map holds {highest}, the set names {classes}")
    else:
        _check(item.semantic is None, name, "it has a class map, the set names no classes")
    if item.points is not None:
        shape = item.points.shape
        _check(len(shape) == 2 and shape[1] == 3, name, f"points are {shape}; expected (N, 3)")
        kinds = item.points[:, 2]
        inside = bool(((kinds >= 0) & (kinds <= classes)).all())
        _check(inside, name, f"a point has a class outside 0..{classes}")


def _check_map(array: Array, what: str, name: str, size: tuple[int, ...]) -> None:
    _check(
        array.shape == size,
        name,
        f"its image is {size[0]} x {size[1]} and its {what} {' x '.join(map(str, array.shape))} "
        "(height x width); they must lie on the same pixels",
    )
    whole = array.dtype.kind in "bui"
    _check(whole, name, f"its {what} is {array.dtype}; expected whole numbers")
    low, high = int(array.min()), int(array.max())
    fits = low >= 0 and high <= HIGHEST
    _check(fits, name, f"its {what} holds {low}..{high}; expected 0 to {HIGHEST}")


def _check(fits: bool, name: str, why: str) -> None:
    if not fits:
        raise UnreadableFileError(f"{name}: {why}")
