"""DeepLIIF's own way over an image: tiles in image pixels, resized for the networks and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
from PIL import Image

from histoseg.contracts import Array

Run = Callable[[list[Array]], Mapping[str, Array]]
Colours = Mapping[str, tuple[int, int, int]]
OVERLAP = 16
"""A tile overlaps its neighbours by one part in so many, on each side."""
LEAST_VARIANCE = 9.0
"""Of gray values; a tile with less is empty."""


def deepliif_tiled(
    image: Array, run: Run, *, tile: int, side: int, backgrounds: Colours, batch_size: int = 1
) -> dict[str, Array]:
    """Translate an image tile by tile and paste the middle of each tile; nothing is blended.

    An image smaller than a tile is continued by its mirror image. Empty tiles are not run.

    Args:
        image: (H, W, 3 * n), uint8: n pictures of one place on top of each other.
        run: At most ``batch_size`` tiles, each (side, side, 3 * n), uint8, to pictures by name,
            each (tiles, side, side, 3), uint8.
        tile: Side of a tile, px of the image.
        side: Side that networks take; tiles are resized to it and back, bicubic.
        backgrounds: RGB of each picture where a tile is empty; names all pictures there are.
        batch_size: Tiles at a time.

    Returns:
        By name, each (H, W, 3), uint8.

    Raises:
        ValueError: If a tile has no pixel in its middle.

    Source:
        Behaviour of nadeemlab/DeepLIIF 1.2.6; tiles that it computes several times are computed
        once here.
    """
    if tile < 1:
        raise ValueError(f"tiles are {tile} px wide: expected 1 or more, 512 for 40x, 256 for 20x")
    whole = _extended(_extended(image, tile, 0), tile, 1)
    height, width = whole.shape[:2]
    places = list(product(deepliif_starts(height, tile), deepliif_starts(width, tile)))
    made = {name: np.empty((height, width, 3), np.uint8) for name in backgrounds}
    for first in range(0, len(places), batch_size):
        some = places[first : first + batch_size]
        tiles = [whole[y : y + tile, x : x + tile] for y, x in some]
        full = [i for i, one in enumerate(tiles) if not is_empty_tile(one)]
        pictures = run([_resized(tiles[i], side) for i in full]) if full else {}
        for i, (y, x) in enumerate(some):
            rows, columns = _pasted(y, height, tile), _pasted(x, width, tile)
            for name, canvas in made.items():
                if i not in full:
                    canvas[rows, columns] = backgrounds[name]
                    continue
                drawn = _resized(pictures[name][full.index(i)], tile)
                canvas[rows, columns] = drawn[_moved(rows, y), _moved(columns, x)]
    return {name: canvas[: image.shape[0], : image.shape[1]] for name, canvas in made.items()}


def deepliif_starts(size: int, tile: int) -> list[int]:
    """Where tiles begin along an axis, each place once.

    Args:
        size: Of the axis, px, at least ``tile``.
        tile: Side of a tile.

    Example:
        >>> deepliif_starts(1381, 512)
        [0, 448, 869]
    """
    step = tile - 2 * _overlap(size, tile)
    return list(dict.fromkeys(min(start, size - tile) for start in range(0, size, step)))


def is_empty_tile(tile: Array) -> bool:
    """Whether there is nothing on a tile (H, W, 3 * n), uint8: gray hardly varies in any picture.

    Gray is ITU-601 luma; black and white pixels do not count.
    """
    return all(_is_flat(picture) for picture in _pictures(tile))


def _pictures(tile: Array) -> list[Image.Image]:
    """The RGB pictures that lie on top of each other."""
    parts = np.split(tile, tile.shape[-1] // 3, axis=-1)
    return [Image.fromarray(np.ascontiguousarray(part)) for part in parts]


def _is_flat(picture: Image.Image) -> bool:
    gray = np.asarray(picture.convert("L"))
    gray = gray[(gray > 0) & (gray < 255)]
    return not len(gray) or float(gray.var(dtype=np.float64)) < LEAST_VARIANCE


def _overlap(size: int, tile: int) -> int:
    return 0 if size == tile else tile // OVERLAP


def _pasted(start: int, size: int, tile: int) -> slice:
    """What a tile gives of an axis: its middle, and its margin where that is the image's border."""
    overlap = _overlap(size, tile)
    left = start if start == 0 else start + overlap
    right = start + tile if start + tile == size else start + tile - overlap
    return slice(left, right)


def _moved(part: slice, start: int) -> slice:
    return slice(part.start - start, part.stop - start)


def _extended(image: Array, tile: int, axis: int) -> Array:
    """An axis of at least a tile: shorter ones are doubled by their mirror image, then cut."""
    if image.shape[axis] >= tile:
        return image
    while image.shape[axis] < tile:
        image = np.concatenate([image, np.flip(image, axis)], axis=axis)
    return np.ascontiguousarray(image.take(range(tile), axis=axis))


def _resized(picture: Array, side: int) -> Array:
    if picture.shape[0] == side:
        return picture
    resized = [one.resize((side, side), Image.Resampling.BICUBIC) for one in _pictures(picture)]
    return np.concatenate([np.asarray(one) for one in resized], axis=-1)
