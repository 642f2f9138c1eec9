"""Batches of label maps, from wherever they are to NumPy."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from torch import Tensor


def label_maps(**maps: Tensor) -> list[NDArray[Any]]:
    """Check that batches of maps fit each other, and copy them to the host.

    Args:
        maps: Integer tensors (B, H, W) by name, on any device.

    Returns:
        The same as arrays, in the order given.

    Raises:
        ValueError: If a tensor is not (B, H, W) of integers, or two differ in shape.
    """
    first, *_ = maps
    for name, batch in maps.items():
        if batch.ndim != 3 or batch.is_floating_point():
            raise ValueError(
                f"{name} is {tuple(batch.shape)} {batch.dtype}; expected (B, H, W) of integers"
            )
        if batch.shape != maps[first].shape:
            raise ValueError(
                f"{name} is {tuple(batch.shape)}, {first} {tuple(maps[first].shape)}; "
                "crop both to the same region"
            )
    return [batch.detach().cpu().numpy() for batch in maps.values()]
