"""Mean and spread of the colours of tissue, and giving an image those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.ops.pixel_sample import pixel_sample
from histoseg.ops.strips import in_strips

_GLASS: Final = (206.0, 240.0)
"""Darkest channel of a pixel that is all tissue, and of one that is all glass."""
_MIN_PIXELS: Final = 100
_MAX_CHANGE: Final = 5.0
"""Most that a spread is multiplied or divided by, so that noise stays noise."""


@dataclass(frozen=True)
class Reinhard:
    """Colour statistics of the tissue of an image, in CIELAB.

    Attributes:
        mean: (3,). Of L in 0..100, a and b.
        std: (3,).

    Source:
        Reinhard et al. 2001, https://doi.org/10.1109/38.946629, in CIELAB instead of l-alpha-beta.
        Differences: statistics are those of tissue, and glass is left as it is, so that an image
        changes alike whatever part of it is glass.
    """

    mean: Array
    std: Array

    @classmethod
    def of(cls, rgb: Array) -> Self | None:
        """Measure the colours of an image.

        Args:
            rgb: (H, W, 3), uint8, or float32 in [0, 1].

        Returns:
            Its statistics; None if it has no 100 pixels of tissue.
        """
        pixels = _unit(pixel_sample(rgb))
        tissue = pixels[pixels.min(axis=1) <= _GLASS[0] / 255]
        if len(tissue) < _MIN_PIXELS:
            return None
        lab = cv2.cvtColor(tissue[None], cv2.COLOR_RGB2LAB)[0].astype(np.float64)
        return cls(lab.mean(axis=0), lab.std(axis=0))

    @classmethod
    def from_plain(cls, mean: Sequence[float], std: Sequence[float]) -> Self:
        """Take statistics from a configuration.

        Raises:
            ValueError: If they are not three each, or a deviation is negative.
        """
        centre, spread = np.array(mean, dtype=float), np.array(std, dtype=float)
        if centre.shape != (3,) or spread.shape != (3,) or not spread.min() >= 0:
            raise ValueError(
                f"expected mean and std of L, a and b (std not negative), got {mean} and {std}"
            )
        return cls(centre, spread)

    def plain(self) -> dict[str, list[float]]:
        """What `from_plain` takes, for a configuration."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    def given_to(self, rgb: Array, own: Reinhard) -> Array:
        """Shift and stretch the colours of an image to these.

        Args:
            rgb: (H, W, 3), uint8, or float32 in [0, 1].
            own: What `of` says of it.

        Returns:
            The image, of the same type. A pixel between tissue and glass changes in part.
        """
        least = np.maximum(own.std, 1e-6)
        scale = np.clip(self.std / least, 1 / _MAX_CHANGE, _MAX_CHANGE).astype(np.float32)
        shift = (self.mean - own.mean * scale).astype(np.float32)

        def recoloured(part: Array) -> Array:
            unit = _unit(part)
            lab = cv2.cvtColor(unit, cv2.COLOR_RGB2LAB)
            share = (_GLASS[1] / 255 - unit.min(axis=2)) * (255 / (_GLASS[1] - _GLASS[0]))
            lab += np.clip(share, 0, 1)[..., None] * (lab * (scale - 1) + shift)
            values = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)
            return np.rint(255 * values).astype(np.uint8) if part.dtype == np.uint8 else values

        return in_strips(recoloured, rgb)


def _unit(rgb: Array) -> Array:
    """Floating in [0, 1]."""
    if rgb.dtype == np.uint8:
        return rgb.astype(np.float32) / np.float32(255)
    return np.clip(rgb, 0, 1).astype(np.float32, copy=False)
