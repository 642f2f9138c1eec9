"""Losses of models that learn from scribbles: what strokes say, and how an image is explained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

import torch
from torch import Tensor

from histoseg.losses.mixture import TaskOutput

LEAST: Final = 1e-20  # probability of which a logarithm is taken
Distribution = Literal["gaussian", "laplacian"]


def scribble_loss(
    probability: Tensor, scribbles: Tensor, form: Literal["ce", "l1", "l2"] = "ce"
) -> Tensor:
    """Cost of each plane of scribbles: the mean over its pixels, then over images that have any.

    It is one-sided: a stroke of a class rewards that class, and says nothing where it is not.

    Args:
        probability: (B, S, N), of what each plane stands for.
        scribbles: (B, S, N), bool.
        form: Negative logarithm, or distance from 1, absolute or squared.

    Returns:
        (S,); 0 where no image has a stroke.

    Example:
        >>> strokes = torch.tensor([[[True, False]], [[False, False]]])
        >>> scribble_loss(torch.tensor([[[0.5, 0.1]], [[0.3, 0.3]]]), strokes)
        tensor([0.6931])
    """
    if form == "ce":
        cost = -probability.clamp(min=LEAST).log()
    else:
        cost = (1 - probability).abs() if form == "l1" else (1 - probability).square()
    drawn = scribbles.to(cost.dtype)
    pixels = drawn.sum(-1)
    each = (cost * drawn).sum(-1) / pixels.clamp(min=1)
    return each.sum(0) / pixels.clamp(max=1).sum(0).clamp(min=1)


def mixture_loss(
    task: TaskOutput, image: Tensor, blind: Tensor, distribution: Distribution = "gaussian"
) -> Tensor:
    """Cost of explaining the values at blind spots by components.

    Each component has one value for a channel in an image: the mean of its map, weighed by where
    the component is. A pixel's value is the mix of these by its own components.

    Args:
        task: Of (B, ...), with means of R channels.
        image: (B, R, N), the values that were there.
        blind: (B, R, N), bool: which of them count.
        distribution: Whose negative log likelihood is taken.

    Returns:
        (R,), the mean over blind spots, then over images.

    Source:
        nadeemlab/ImPartial ``impartialLosses.py``, which divides by 0 where an image has no blind
        spot; here it counts as 0.
    """
    mixed = _mixed(task.components, task.means)
    log_std = 0.0 if task.log_std is None else _mixed(task.components, task.log_std)
    spread = 1.0 if task.log_std is None else torch.as_tensor(log_std).exp()
    error = (image - mixed) / spread
    if distribution == "gaussian":
        cost = error.square() / 2 + math.log(2 * math.pi) / 2 + log_std
    else:
        cost = error.abs() + math.log(2) + log_std
    return _blind_mean(cost, blind)


def picture_loss(picture: Tensor, image: Tensor, blind: Tensor) -> Tensor:
    """Squared error of a picture at blind spots.

    Args:
        picture: (B, C, N), what the network made.
        image: (B, C, N).
        blind: (B, C, N), bool.

    Returns:
        (C,), the mean over blind spots, then over images.

    Source:
        Buchholz et al. 2020, DenoiSeg, https://arxiv.org/abs/2005.02987, as nadeemlab/ImPartial
        compares with it.
    """
    return _blind_mean((image - picture).square(), blind)


def mumford_shah_loss(components: Tensor, image: Tensor) -> Tensor:
    """How far each pixel is from the mean values of its components.

    Args:
        components: (B, K, N), probabilities.
        image: (B, R, N).

    Returns:
        (R,), the mean over all pixels of all images.

    Source:
        Kim and Ye 2019, https://arxiv.org/abs/1904.02872, as nadeemlab/ImPartial compares with it.
    """
    share = components / _mass(components)
    values = image @ share.transpose(1, 2)  # (B, R, K)
    mixed = values @ components
    # sum_k p_k (x - c_k)^2, without a tensor of components times channels
    return (image.square() - 2 * image * mixed + values.square() @ components).mean((0, 2))


def total_variation(components: Tensor, size: Sequence[int], form: Literal["l1", "l2"]) -> Tensor:
    """Half the mean step to the next row and to the next column.

    Args:
        components: (B, K, N).
        size: (H, W) with H * W = N.
        form: Absolute or squared steps.
    """
    maps = components.reshape(*components.shape[:-1], *size)
    steps = (maps.diff(dim=-2), maps.diff(dim=-1))
    means = [(s.abs() if form == "l1" else s.square()).mean() for s in steps]
    return (means[0] + means[1]) / 2


def _mixed(components: Tensor, maps: Tensor) -> Tensor:
    """Values (B, R, K, N) of components (B, K, N), one for each image, mixed again: (B, R, N)."""
    share = components / _mass(components)
    values = (maps * share.unsqueeze(1)).sum(-1)
    mixed: Tensor = values @ components
    return mixed


def _mass(components: Tensor) -> Tensor:
    """Sum over pixels, (B, K, 1); a component that is nowhere has a mean of 0, not of 0 / 0."""
    return components.sum(-1, keepdim=True).clamp(min=torch.finfo(components.dtype).tiny)


def _blind_mean(cost: Tensor, blind: Tensor) -> Tensor:
    spots = blind.to(cost.dtype)
    return ((cost * spots).sum(-1) / spots.sum(-1).clamp(min=1)).mean(0)
