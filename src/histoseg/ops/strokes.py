"""Multichannel images, strokes and outlines as colours."""

from __future__ import annotations

import torch
from torch import Tensor

from histoseg.ops.hues import hues

_BACKGROUND = (0.25, 0.45, 1.0)  # of strokes that say: none of the classes
_PAIRS = ((0.0, 1.0, 0.0), (1.0, 0.0, 1.0))  # green and magenta, which most people tell apart
_OUTLINE = (1.0, 0.9, 0.0)


def false_colour(image: Tensor) -> Tensor:
    """Show an image of any number of channels.

    One channel is gray, two are green and magenta, three red, green and blue; more have hues.

    Args:
        image: (..., C, H, W), about [0, 1].

    Returns:
        (..., 3, H, W), float32 in [0, 1].
    """
    image, count = image.float().clamp(0, 1), image.shape[-3]
    if count in (1, 3):
        return image.expand(*image.shape[:-3], 3, *image.shape[-2:])
    colours = _PAIRS if count == 2 else [tuple(c / 255 for c in hue) for hue in hues(count)]
    mixed = torch.einsum("...chw,ck->...khw", image, image.new_tensor(colours))
    return mixed.clamp(0, 1)


def with_strokes(image: Tensor, scribbles: Tensor) -> Tensor:
    """Draw the strokes of one task over a picture.

    Args:
        image: (..., 3, H, W), in [0, 1].
        scribbles: (..., S, H, W), bool: its classes, then its background.

    Returns:
        (..., 3, H, W).
    """
    colours = [tuple(c / 255 for c in hue) for hue in hues(scribbles.shape[-3] - 1)]
    drawn = image
    for plane, colour in zip(scribbles.unbind(-3), [*colours, _BACKGROUND], strict=True):
        drawn = _painted(drawn, plane, colour)
    return drawn


def with_outlines(image: Tensor, labels: Tensor) -> Tensor:
    """Draw the borders of objects, inside them.

    Args:
        image: (..., 3, H, W), in [0, 1].
        labels: (..., H, W), ids; 0 is background.

    Returns:
        (..., 3, H, W).
    """
    border = torch.zeros_like(labels, dtype=torch.bool)
    for axis in (-1, -2):
        for turn in (1, -1):
            border |= labels != labels.roll(turn, axis)
    border[..., [0, -1], :] = border[..., :, [0, -1]] = True
    return _painted(image, border & (labels > 0), _OUTLINE)


def _painted(image: Tensor, where: Tensor, colour: tuple[float, ...]) -> Tensor:
    return torch.where(where.unsqueeze(-3), image.new_tensor(colour).view(3, 1, 1), image)
