from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np

from histoseg.contracts import Array

_HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
"""Optical density in R, G, B of hematoxylin, eosin and DAB (Ruifrok and Johnston 2001)."""
_DENSITY = -np.log(np.arange(1, 257, dtype=np.float32) / 256)
"""Optical density of the values 0..255; the shift by 1 keeps 0 finite and 255 at density 0."""


class HEDJitter(A.ImageOnlyTransform):  # type: ignore[misc]  # untyped package
    """Vary how strongly a tile took up each stain.

    The tile is unmixed into hematoxylin, eosin and DAB; each concentration c becomes
    ``a * c + b``, with a and b drawn for each stain; then the stains are mixed again. All of
    it is one matrix on optical density (natural logarithm).

    Args:
        scale: a is drawn from [1 - scale, 1 + scale].
        shift: b is drawn from [-shift, shift], in optical density.
        p: Share of tiles that are changed.

    Raises:
        ValueError: If ``scale`` or ``shift`` is outside [0, 1].

    Source:
        Tellez et al. 2018, IEEE TMI 37:2126 (HED-light 0.05, HED-strong 0.2). Its code
        unmixes with an older scikit-image, where densities have another scale; ours are those
        of the definition, and negative concentrations stay, so that a = 1, b = 0 changes nothing.
    """

    def __init__(self, scale: float = 0.05, shift: float = 0.05, p: float = 0.5) -> None:
        super().__init__(p=p)
        if not (0 <= scale <= 1 and 0 <= shift <= 1):
            raise ValueError(f"scale {scale} and shift {shift} must be in 0..1")
        self.scale = scale
        self.shift = shift

    def get_params(self) -> dict[str, Any]:
        """Draw a and b, each (3,)."""
        return {
            "a": self.random_generator.uniform(1 - self.scale, 1 + self.scale, 3),
            "b": self.random_generator.uniform(-self.shift, self.shift, 3),
        }

    def apply(self, img: Array, a: Array, b: Array, **params: Any) -> Array:
        """Change an RGB tile (H, W, 3), uint8 or float32 in [0, 1], with the draw a, b."""
        if img.shape[2:] != (3,):
            raise ValueError(f"stains need an RGB tile (H, W, 3), got shape {img.shape}")
        mix = np.linalg.inv(_HED) @ np.diag(a) @ _HED
        matrix = -np.column_stack([mix.T, _HED.T @ b])  # to what is added to light, not taken
        whole = img.dtype == np.uint8
        density = cv2.LUT(img, _DENSITY) if whole else -np.log((img * 255 + 1) / 256)
        light = cv2.exp(cv2.transform(density, matrix))
        if whole:
            rounded: Array = cv2.addWeighted(light, 256, light, 0, -1, dtype=cv2.CV_8U)
            return rounded
        return np.clip((256 * light - 1) / 255, 0, 1).astype(np.float32)
