from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr

from histoseg.contracts import Array

TILE = 512
"""Side of the tiles, px."""


class Pyramid:
    """A picture too large for memory, built on disk, and its smaller copies.

    Each level is a zarr array (format 2, as OME-Zarr 0.4 wants it) called by its number, half as
    wide and high as the one before; the last fits into one tile. Tiles that nobody painted take no
    room, neither on disk nor in memory.

    Args:
        group: Where the arrays go.
        size: (height, width) of the picture.
        dtype: Of its pixels.
        background: None for labels, which are 0 where nothing is painted and are shrunk by taking
            every second pixel; else the RGB of what was not painted, of a picture that is shrunk
            by means of 2 x 2 pixels.

    Attributes:
        levels: The arrays, the largest first; complete after `shrink`. Colours have ``fill``
            subtracted, modulo 256.
    """

    def __init__(
        self,
        group: zarr.Group,
        size: tuple[int, int],
        dtype: Any,
        background: tuple[int, int, int] | None = None,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.more = () if background is None else (3,)
        self.fill = np.array(background or 0, self.dtype)
        self.levels: list[Any] = []
        self.painted: list[set[tuple[int, int]]] = []
        while True:
            self.levels.append(self._level(group, size))
            self.painted.append(set())
            if max(size) <= TILE:
                break
            size = (size[0] + 1) // 2, (size[1] + 1) // 2

    def paint(self, x: int, y: int, values: Array) -> None:
        """Put a part into the picture; what lies outside is cut off.

        Labels go where there is no label yet, so of parts that overlap the first counts; colours
        replace what was there.

        Args:
            x: Left edge.
            y: Top edge.
            values: (h, w) labels, 0 for none, or (h, w, channels).
        """
        if not self.more:
            x, y, values = _trimmed(x, y, values)
        height, width = self.levels[0].shape[:2]
        top, left, bottom, right = max(y, 0), max(x, 0), y + values.shape[0], x + values.shape[1]
        box = slice(top, min(bottom, height)), slice(left, min(right, width))
        if box[0].start >= box[0].stop or box[1].start >= box[1].stop:
            return
        new = values[top - y : box[0].stop - y, left - x : box[1].stop - x]
        if not self.more:
            old = self.levels[0][box]
            new = np.where(old == 0, new, old)
        # zarr fills with one number: 0, which stands for the colour that is subtracted here
        self.levels[0][box] = new - self.fill
        rows, columns = (range(b.start // TILE, (b.stop - 1) // TILE + 1) for b in box)
        self.painted[0] |= {(row, column) for row in rows for column in columns}

    def shrink(self) -> None:
        """Make the smaller copies, from the tiles that were painted."""
        for large, small, there, here in zip(
            self.levels, self.levels[1:], self.painted, self.painted[1:], strict=False
        ):
            here |= {(row // 2, column // 2) for row, column in there}
            for row, column in sorted(here):
                side = 2 * TILE
                block = large[row * side : (row + 1) * side, column * side : (column + 1) * side]
                half = _means(block + self.fill) - self.fill if self.more else block[::2, ::2]
                small[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE] = half

    def tiles(self, level: int) -> Iterator[Array | None]:
        """The tiles of a level, row by row, padded to full size; None where nothing was painted."""
        array, painted = self.levels[level], self.painted[level]
        for row in range(-(-array.shape[0] // TILE)):
            for column in range(-(-array.shape[1] // TILE)):
                if (row, column) not in painted:
                    yield None
                    continue
                box = [slice(i * TILE, (i + 1) * TILE) for i in (row, column)]
                values = array[box[0], box[1]]
                tile = np.full((TILE, TILE, *self.more), self.fill, self.dtype)
                tile[: values.shape[0], : values.shape[1]] = values + self.fill
                yield tile

    def _level(self, group: zarr.Group, size: tuple[int, int]) -> Any:
        return group.create_array(
            str(len(self.levels)),
            shape=(*size, *self.more),
            dtype=self.dtype,
            chunks=(TILE, TILE, *self.more),
            compressors=numcodecs.Blosc("zstd", clevel=3, shuffle=numcodecs.Blosc.SHUFFLE),
            fill_value=0,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )


def scratch(folder: Path) -> zarr.Group:
    """A new zarr group (format 2) in a folder; what was there is removed."""
    return zarr.open_group(folder, mode="w", zarr_format=2)


def _trimmed(x: int, y: int, labels: Array) -> tuple[int, int, Array]:
    """Without the empty margin: a region often has few objects in a corner."""
    rows, columns = np.flatnonzero(labels.any(axis=1)), np.flatnonzero(labels.any(axis=0))
    if not len(rows):
        return x, y, labels[:0]
    top, left = int(rows[0]), int(columns[0])
    return x + left, y + top, labels[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]


def _means(block: Array) -> Array:
    """Means of 2 x 2 pixels, rounded; an odd last row or column counts twice."""
    odd = [(0, n % 2) for n in block.shape[:2]]
    even = np.pad(block, [*odd, (0, 0)], mode="edge").astype(np.uint32)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return np.asarray(((total + 2) // 4).astype(block.dtype))
