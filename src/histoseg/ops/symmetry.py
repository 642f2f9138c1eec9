"""The eight ways to lay a square on itself, for images and for what is said of their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import torch
from torch import Tensor


class Symmetry(NamedTuple):
    """Mirror left and right, then turn counter-clockwise.

    Attributes:
        mirrored: Whether left and right are exchanged first.
        turns: Quarter turns after that.
    """

    mirrored: bool
    turns: int

    def apply(self, image: Tensor) -> Tensor:
        """Turn an image or maps (..., H, W); after an odd number of turns they are (..., W, H)."""
        image = image.flip(-1) if self.mirrored else image
        return image.rot90(self.turns, (-2, -1)) if self.turns else image

    def undo(self, maps: Tensor) -> Tensor:
        """Turn back scalar maps (..., H, W) of a turned image."""
        maps = maps.rot90(-self.turns, (-2, -1)) if self.turns else maps
        return maps.flip(-1) if self.mirrored else maps

    def undo_vectors(self, maps: Tensor) -> Tensor:
        """Turn back maps of vectors: their places, and the vectors themselves.

        Args:
            maps: (B, 2, H, W): x to the right, y downwards, of a turned image.

        Returns:
            (B, 2, H, W) in the frame of the image before.

        Example:
            >>> right = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
            >>> Symmetry(mirrored=True, turns=0).undo_vectors(right).flatten().tolist()
            [-1.0, 0.0]
            >>> Symmetry(mirrored=False, turns=1).undo_vectors(right).flatten().tolist()
            [0.0, 1.0]
        """
        x, y = maps.unbind(1)
        for _ in range(self.turns % 4):
            x, y = -y, x
        if self.mirrored:
            x = -x
        return self.undo(torch.stack([x, y], dim=1))


SYMMETRIES: Final[Mapping[str, tuple[Symmetry, ...]]] = {
    "none": (Symmetry(False, 0),),
    "flips": tuple(Symmetry(mirrored, turns) for turns in (0, 2) for mirrored in (False, True)),
    "d4": tuple(Symmetry(mirrored, turns) for turns in range(4) for mirrored in (False, True)),
}
"""Choices of test-time augmentation by name; the first of each leaves an image as it is."""


def symmetries(name: str) -> tuple[Symmetry, ...]:
    """The symmetries of a choice of test-time augmentation.

    Raises:
        ValueError: If there is no choice of this name.
    """
    if name not in SYMMETRIES:
        raise ValueError(f"tta={name}: expected one of {', '.join(SYMMETRIES)}")
    return SYMMETRIES[name]
