"""Two stains as Macenko finds them in an image, and giving an image the stains of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.ops.pixel_sample import pixel_sample
from histoseg.ops.strips import in_strips

_LIGHT: Final = 240.0
"""Grey level of unstained glass."""
_LEAST: Final = 0.15
"""Optical density below which a pixel is glass."""
_TAIL: Final = 1.0
"""Per cent of the angles that are taken for noise, on each side."""
_STRONGEST: Final = 99.0
"""Percentile of an amount that stands for its maximum."""
_MIN_PIXELS: Final = 100
_MIN_ANGLE: Final = 0.05
"""Radians between two stains; less is one stain and noise."""
_MAX_CHANGE: Final = 5.0
"""Most that an amount is multiplied or divided by, so that a trace of a stain stays one."""
_DENSITY: Final[Array] = -np.log((np.arange(256, dtype=np.float32) + 1) / _LIGHT)


@dataclass(frozen=True)
class Macenko:
    """Directions and strengths of the two stains of an image.

    Attributes:
        stains: (2, 3). Optical density in R, G, B of one unit of each stain, of length 1; the first
            one takes more red light (hematoxylin in H&E).
        strongest: (2,). Amount of each stain at the 99th percentile of the tissue.

    Source:
        Macenko et al. 2009, https://doi.org/10.1109/ISBI.2009.5193250, with the parameters of
        mitkovetta/staining-normalization: glass 240, beta 0.15, alpha 1. Differences: amounts are
        those of tissue, not of all pixels, so that glass around it changes nothing; a grey level is
        rounded; and an image without two stains is not changed.
    """

    stains: Array
    strongest: Array

    @classmethod
    def of(cls, rgb: Array) -> Self | None:
        """Find the two stains of an image.

        Args:
            rgb: (H, W, 3), uint8, or float32 in [0, 1].

        Returns:
            Its stains; None if it has no 100 pixels of tissue, or not two stains.
        """
        density = _density(pixel_sample(rgb))
        tissue = density[(density >= _LEAST).all(axis=1)].astype(np.float64)
        if len(tissue) < _MIN_PIXELS:
            return None
        _, vectors = np.linalg.eigh(np.cov(tissue.T))
        plane = vectors[:, :0:-1]  # (3, 2), the larger first
        plane = plane * np.where(plane.sum(axis=0) < 0, -1, 1)
        first, second = (tissue @ plane).T
        angles = np.percentile(np.arctan2(second, first), [_TAIL, 100 - _TAIL])
        if not angles[1] - angles[0] >= _MIN_ANGLE:
            return None
        stains = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ plane.T
        stains = stains[np.argsort(-stains[:, 0])]
        strongest = np.percentile(tissue @ np.linalg.pinv(stains), _STRONGEST, axis=0)
        return cls(stains, strongest) if strongest.min() > 0 else None

    @classmethod
    def from_plain(cls, stains: Sequence[Sequence[float]], strongest: Sequence[float]) -> Self:
        """Take stains from a configuration.

        Raises:
            ValueError: If they are not two stains of three channels, with positive strengths.
        """
        matrix, amounts = np.array(stains, dtype=float), np.array(strongest, dtype=float)
        if matrix.shape != (2, 3) or amounts.shape != (2,) or not amounts.min() > 0:
            raise ValueError(
                "expected stains as two rows of three densities, and two strengths above 0; got "
                f"{stains} and {strongest}"
            )
        return cls(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), amounts)

    def plain(self) -> dict[str, list[object]]:
        """What `from_plain` takes, for a configuration."""
        return {"stains": self.stains.tolist(), "strongest": self.strongest.tolist()}

    def given_to(self, rgb: Array, own: Macenko) -> Array:
        """Replace the stains of an image by these.

        Args:
            rgb: (H, W, 3), uint8, or float32 in [0, 1].
            own: What `of` says of it.

        Returns:
            The image, of the same type. What is not of the two stains is lost.
        """
        change = np.clip(self.strongest / own.strongest, 1 / _MAX_CHANGE, _MAX_CHANGE)
        matrix = (np.linalg.pinv(own.stains) * change) @ self.stains

        def restained(part: Array) -> Array:
            values = _LIGHT * cv2.exp(-cv2.transform(_density(part), matrix.T)) - 1
            if part.dtype == np.uint8:
                return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)
            return np.asarray(np.clip(values / 255, 0, 1), dtype=np.float32)

        return in_strips(restained, rgb)


def _density(rgb: Array) -> Array:
    """Optical density, natural logarithm; slightly negative where brighter than glass."""
    if rgb.dtype == np.uint8:
        return _DENSITY[rgb]
    return np.asarray(-np.log((np.clip(rgb, 0, 1) * 255 + 1) / _LIGHT), dtype=np.float32)
