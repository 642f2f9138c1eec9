from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np

from histoseg.contracts import Array

_LEAST = 1e-7


class LogitLighting(A.ImageOnlyTransform):  # type: ignore[misc]  # untyped package
    """Change brightness and contrast without leaving [0, 1].

    Pixels are taken for probabilities: brightness shifts their logit, contrast multiplies it. All
    channels change alike. Zero becomes slightly more than zero where the contrast falls, and 1
    slightly less, as in the original.

    Args:
        brightness: Range of a number b whose logit is added; 0.5 changes nothing.
        contrast: Range of the factor, drawn evenly on a logarithmic scale.
        p: Probability of each of the two by itself.

    Raises:
        ValueError: If a range is not within (0, 1), or a factor is not above 0.

    Source:
        fastai 1 ``brightness`` and ``contrast``, with ``max_lighting=0.2``.
    """

    def __init__(
        self,
        brightness: tuple[float, float] = (0.4, 0.6),
        contrast: tuple[float, float] = (0.8, 1.25),
        p: float = 0.75,
    ) -> None:
        super().__init__(p=1)
        if not 0 < min(brightness) <= max(brightness) < 1 or min(contrast) <= 0:
            raise ValueError(
                f"brightness {brightness} must lie within 0 and 1, contrast {contrast} above 0"
            )
        self.brightness, self.contrast, self.share = brightness, contrast, p

    def get_params(self) -> dict[str, Any]:
        """Draw the shift of the logit and its factor."""
        shift, factor = 0.0, 1.0
        if self.py_random.random() < self.share:
            b = self.py_random.uniform(*self.brightness)
            shift = float(np.log(b / (1 - b)))
        if self.py_random.random() < self.share:
            low, high = np.log(self.contrast)
            factor = float(np.exp(self.py_random.uniform(low, high)))
        return {"shift": shift, "factor": factor}

    def apply(self, img: Array, shift: float, factor: float, **_: Any) -> Array:
        """Change the image (H, W, C), float32 in [0, 1] or uint8."""
        if shift == 0 and factor == 1:
            return img
        if img.dtype == np.uint8:
            lit = _lit(np.arange(256, dtype=np.float32) / 255, shift, factor)
            return np.asarray(cv2.LUT(img, (255 * lit).round().astype(np.uint8))).reshape(img.shape)
        return _lit(img, shift, factor)


def _lit(x: Array, shift: float, factor: float) -> Array:
    """1 / (1 + ((1 - x) / x)^factor * e^(-shift * factor))."""
    x = np.clip(x, _LEAST, 1 - _LEAST)
    odds = np.subtract(1, x)
    odds /= x
    if factor != 1:  # OpenCV's logarithm is five times as fast as its power
        odds = np.multiply(cv2.log(odds), np.float32(factor))
        odds = cv2.exp(odds, odds).reshape(x.shape)
    odds *= np.float32(np.exp(-shift * factor))
    odds += 1
    return np.reciprocal(odds, out=odds)
