"""Pictures between two models: resampled, as bytes, and changed as whole images are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from histoseg.contracts import Array


def resized(image: Tensor, size: Sequence[int]) -> Tensor:
    """Means of pixels where it shrinks, cubic where it grows; in [0, 1]."""
    if tuple(image.shape[2:]) == tuple(size):
        return image
    shrinks = size[0] * size[1] < image.shape[2] * image.shape[3]
    how = "bilinear" if shrinks else "bicubic"
    made = interpolate(image.float(), size=tuple(size), mode=how, antialias=shrinks)
    return made.clamp(0, 1)


def pixels(image: Tensor) -> Array:
    """(B, 3, H, W) in [0, 1] as (B, H, W, 3), uint8."""
    levels: Array = (image * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return levels


def changed(image: Tensor, change: Callable[[Array], Array]) -> Tensor:
    """Pictures after a change of their pixels, one by one."""
    after = np.stack([change(picture) for picture in pixels(image)])
    return torch.from_numpy(after).to(image.device).permute(0, 3, 1, 2).float().div(255)
