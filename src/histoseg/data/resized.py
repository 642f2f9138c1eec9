from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np
from PIL import Image

from histoseg.contracts import Array


class Resized(A.DualTransform):  # type: ignore[misc]  # untyped package
    """Resize to a square by Pillow's bicubic filter, which averages where it shrinks.

    The official CycleGAN resizes so. ``albumentations.Resize`` is OpenCV's, which takes single
    pixels where it shrinks much. Label pictures and maps are taken from the nearest pixel.

    Args:
        size: Side, px.

    Raises:
        ValueError: If ``size`` is not positive.
    """

    def __init__(self, size: int) -> None:
        super().__init__(p=1)
        if size < 1:
            raise ValueError(f"size is {size}; expected pixels, 1 or more")
        self.size = size

    def apply(self, img: Array, **_: Any) -> Array:
        """Resize a picture (H, W, 3) of uint8."""
        size = (self.size, self.size)
        return np.asarray(Image.fromarray(img).resize(size, Image.Resampling.BICUBIC))

    def apply_to_mask(self, mask: Array, **_: Any) -> Array:
        """Resize a map (H, W) or a label picture (H, W, 3)."""
        size = (self.size, self.size)
        return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT))
