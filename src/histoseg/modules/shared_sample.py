"""What of a picture stands for all of it when norms are to have one set of statistics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

MOST = 2**21
"""Pixels of a sample: as many as 32 tiles of 256."""
LEAST = 16
"""Sides, pixels, of the smallest picture that networks can reflect after two halvings."""


def sample_of(image: Tensor, tile: int, multiple: int) -> Tensor:
    """The whole picture where it is small enough, else tiles of it, evenly spread.

    Args:
        image: (1, C, H, W).
        tile: Side of those tiles, pixels.
        multiple: What height and width of a sample have to divide by; the picture is continued by
            reflection.

    Returns:
        (N, C, h, w).
    """
    height, width = image.shape[2:]
    if height * width <= MOST:
        return rounded_up(image, multiple)
    whole = _continued(image, max(height, tile), max(width, tile))
    corners = [
        (top, left)
        for top in range(0, whole.shape[2] - tile + 1, tile)
        for left in range(0, whole.shape[3] - tile + 1, tile)
    ]
    some = [corners[i] for i in spread(len(corners), count_of(tile))]
    return torch.cat([whole[..., y : y + tile, x : x + tile] for y, x in some])


def count_of(tile: int) -> int:
    """How many tiles a sample has at most."""
    return max(1, MOST // tile**2)


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers below ``count``, evenly spread."""
    places = np.linspace(0, count - 1, min(most, count)).round().astype(int)
    return [int(place) for place in places]


def multiple_of(network: nn.Module) -> int:
    """What the height and the width of its pictures have to divide by."""
    return max(int(getattr(part, "multiple", 1)) for part in network.modules())


def rounded_up(image: Tensor, multiple: int) -> Tensor:
    """A picture (B, C, H, W) continued by reflection until its sides divide by a number.

    They are also no less than `LEAST`.
    """
    height, width = (max(side, LEAST) for side in image.shape[2:])
    return _continued(image, -(-height // multiple) * multiple, -(-width // multiple) * multiple)


def _continued(image: Tensor, height: int, width: int) -> Tensor:
    for axis, length in ((2, height), (3, width)):
        size = image.shape[axis]
        if length > size:
            index = np.pad(np.arange(size), (0, length - size), mode="reflect")
            image = image.index_select(axis, torch.from_numpy(index).to(image.device))
    return image
