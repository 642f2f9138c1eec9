from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from histoseg.contracts import Array


@dataclass(frozen=True)
class Grid:
    """Where the tiles of one image lie. Made by `tile_grid`.

    The network reads a tile and gives its centre, ``margin`` px less on each side. Output (i, j)
    starts at row ``tops[i]``, column ``lefts[j]`` of the image; its tile starts at the same place
    of the padded image. The last ones may reach over the edge of the image.

    Attributes:
        height: Of the image.
        width: Of the image.
        tile: (height, width) of what the network reads.
        margin: Pixels the network loses on each side.
        overlap: Pixels by which neighbouring outputs overlap.
    """

    height: int
    width: int
    tile: tuple[int, int]
    margin: int
    overlap: int = 0

    @property
    def output(self) -> tuple[int, int]:
        """(height, width) of what the network gives of a tile."""
        return self.tile[0] - 2 * self.margin, self.tile[1] - 2 * self.margin

    @property
    def tops(self) -> Array:
        """First image row of each row of outputs: (R,), int64."""
        return _starts(self.height, self.output[0], self.overlap)

    @property
    def lefts(self) -> Array:
        """First image column of each column of outputs: (C,), int64."""
        return _starts(self.width, self.output[1], self.overlap)

    @property
    def corners_xy(self) -> Array:
        """Top left corner of each output in the image, row by row: (R * C, 2), int64."""
        y, x = np.meshgrid(self.tops, self.lefts, indexing="ij")
        return np.stack([x.ravel(), y.ravel()], axis=1)

    @property
    def padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Pixels to add: ((above, below), (left, right))."""
        below = int(self.tops[-1]) + self.tile[0] - self.margin - self.height
        right = int(self.lefts[-1]) + self.tile[1] - self.margin - self.width
        return (self.margin, below), (self.margin, right)

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.tops) * len(self.lefts)


def tile_grid(
    height: int, width: int, tile: tuple[int, int], margin: int, overlap: int = 0
) -> Grid:
    """Lay a grid of tiles over an image of any size so that the outputs cover each of its pixels.

    Args:
        height: Of the image, px.
        width: Of the image, px.
        tile: (height, width) of what the network reads.
        margin: Pixels the network loses on each side; the output is ``tile - 2 * margin``.
        overlap: Pixels by which neighbouring outputs shall overlap.

    Returns:
        The grid.

    Raises:
        ValueError: If the image is empty, the margin leaves no output, or the overlap no step.

    Source:
        vqdang/hover_net tiles images in the same way: no overlap, the image reflected all round.

    Example:
        >>> len(tile_grid(1000, 1000, (256, 256), margin=46))
        49
        >>> tile_grid(100, 300, (256, 256), margin=46).corners_xy.tolist()
        [[0, 0], [164, 0]]
    """
    if height < 1 or width < 1:
        raise ValueError(f"the image is {height} x {width} px, expected at least one pixel")
    if margin < 0 or min(tile) <= 2 * margin:
        raise ValueError(
            f"a margin of {margin} px leaves nothing of a tile {tile}: it must be 0 to"
            f" {(min(tile) - 1) // 2}"
        )
    if not 0 <= overlap < min(tile) - 2 * margin:
        raise ValueError(
            f"outputs of {min(tile) - 2 * margin} px cannot overlap by {overlap}: use less"
        )
    return Grid(height, width, tile, margin, overlap)


def pad(image: Array, grid: Grid) -> Array:
    """Reflect an image all round (the edge pixel is not repeated) as far as the tiles reach.

    Args:
        image: (H, W) or (H, W, C) of the grid's height and width.
        grid: The grid.

    Returns:
        Larger copy. Images smaller than the padding are reflected repeatedly.

    Raises:
        ValueError: If the image has another size than the grid was made for.
    """
    if image.shape[:2] != (grid.height, grid.width):
        raise ValueError(
            f"the image is {image.shape[:2]}, the grid is for {(grid.height, grid.width)}"
        )
    rows, columns = grid.padding
    return image.take(_reflected(grid.height, *rows), 0).take(_reflected(grid.width, *columns), 1)


def cut(padded: Array, grid: Grid) -> Array:
    """Look at a padded image as tiles, without copying.

    Args:
        padded: What `pad` gives.
        grid: The same grid.

    Returns:
        (R, C, h, w) or (R, C, h, w, channels), a read-only view; tile (i, j) is ``cut(...)[i, j]``.

    Example:
        >>> grid = tile_grid(5, 4, (4, 4), margin=1)
        >>> cut(pad(np.arange(20).reshape(5, 4), grid), grid).shape
        (3, 2, 4, 4)
    """
    down, right = (side - grid.overlap for side in grid.output)
    windows = sliding_window_view(padded, grid.tile, axis=(0, 1))[::down, ::right]
    return windows if padded.ndim == 2 else np.moveaxis(windows, 2, -1)


def _starts(length: int, output: int, overlap: int) -> Array:
    step = output - overlap
    return np.arange(-(-max(length - output, 0) // step) + 1, dtype=np.int64) * step


def _reflected(length: int, before: int, after: int) -> Array:
    position = np.arange(-before, length + after)
    if length == 1:
        return np.zeros_like(position)
    position %= 2 * (length - 1)
    return np.minimum(position, 2 * (length - 1) - position)
