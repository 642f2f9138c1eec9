"""The colour of each stain where there is no cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from histoseg.contracts import Array

BLOCK: Final = 32  # px


class Backgrounds:
    """Means of stains over blocks of 32 px in which a label picture shows nothing.

    Args:
        label_stains: Stains that show cells; a block without them is background in all.

    Source:
        nadeemlab/DeepLIIF 1.2.6, which takes the first ten strips, and takes a block of a single
        colour for empty, so also one within a cell.

    Example:
        >>> found = Backgrounds(["seg"])
        >>> gray = np.full((32, 32, 3), 200, np.uint8)
        >>> found.add({"ihc": gray, "seg": 0 * gray})
        >>> found.colours()
        {'ihc': [200, 200, 200], 'seg': [0, 0, 0]}
    """

    def __init__(self, label_stains: Sequence[str]) -> None:
        self.label_stains = tuple(label_stains)
        self._means: dict[str, list[Array]] = {}

    def add(self, stains: Mapping[str, Array]) -> None:
        """Measure pictures of one field.

        Args:
            stains: (H, W, 3), uint8, of one size, by name.
        """
        height, width = (n // BLOCK * BLOCK for n in next(iter(stains.values())).shape[:2])
        empty = np.ones((height // BLOCK, width // BLOCK), dtype=bool)
        for name in self.label_stains:
            empty &= ~_blocks(stains[name][:height, :width] > 127).any(axis=(1, 3, 4))
        if not empty.any():
            return
        for name, picture in stains.items():
            means = _blocks(picture[:height, :width]).mean(axis=(1, 3))
            self._means.setdefault(name, []).append(means[empty].mean(axis=0))

    def colours(self) -> dict[str, list[int]]:
        """RGB by stain: the mean over fields, each weighing the same; none without background."""
        return {
            name: np.rint(np.mean(means, axis=0)).astype(int).tolist()
            for name, means in self._means.items()
        }


def _blocks(picture: Array) -> Array:
    """(H, W, 3) to (H / 32, 32, W / 32, 32, 3)."""
    height, width, channels = picture.shape
    return picture.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels)
