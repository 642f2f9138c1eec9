"""Losses on horizontal and vertical maps: values, and gradients of values."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from histoseg.losses.kept import kept_mean

Axes = Literal["paper", "reference"]
_RADIUS = 2


def hv_mse(predicted: Tensor, target: Tensor, keep: Tensor | None = None) -> Tensor:
    """Average the squared error over the pixels, background included, and both maps.

    Args:
        predicted: Maps (B, 2, H, W), any floating type; computed in float32.
        target: Maps (B, 2, H, W) in [-1, 1], 0 on background.
        keep: Pixels that count (B, H, W), bool; None for all.

    Returns:
        The loss, a float32 scalar.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> hv_mse(torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4))
        tensor(1.)
    """
    _check_maps(predicted, target)
    return kept_mean((predicted.float() - target.float()).square(), keep)


def msge(predicted: Tensor, target: Tensor, nuclei: Tensor, axes: Axes = "paper") -> Tensor:
    """Average over nuclear pixels the squared error of the maps' gradients.

    Args:
        predicted: Maps (B, 2, H, W), horizontal then vertical, any floating type; computed in
            float32, also under autocast.
        target: Maps (B, 2, H, W) in [-1, 1].
        nuclei: Nuclear pixels (B, H, W), non-zero inside nuclei.
        axes: Along which axis a map is differentiated. ``paper``: the horizontal map along x and
            the vertical one along y. ``reference``: the other way round, as the authors' PyTorch
            code does, for comparing with it.

    Returns:
        The loss, a float32 scalar; 0 for a batch without nuclei.

    Raises:
        ValueError: If the shapes do not fit or ``axes`` is unknown.

    Source:
        Graham et al. 2019, eq. 4; vqdang/hover_net ``msge_loss``. The gradient is linear, so that
        of the difference is taken, in one convolution instead of two.

    Example:
        >>> ramp = torch.linspace(-1, 1, 9).expand(1, 1, 9, 9)
        >>> maps = torch.cat([ramp, ramp.mT], dim=1)
        >>> msge(maps, maps, torch.ones(1, 9, 9))
        tensor(0.)
    """
    _check_maps(predicted, target)
    if nuclei.shape != (predicted.shape[0], *predicted.shape[2:]):
        raise ValueError(
            f"expected nuclei (B, H, W) to fit maps {tuple(predicted.shape)}, "
            f"got {tuple(nuclei.shape)}"
        )
    with torch.autocast(predicted.device.type, enabled=False):
        difference = predicted.float() - target.float()
        gradient = functional.conv2d(
            difference, _kernels(axes, difference), padding=_RADIUS, groups=2
        )
        inside = (nuclei != 0).unsqueeze(1).float()
        return (inside * gradient.square()).sum() / (2 * inside.sum() + 1e-8)


def _kernels(axes: Axes, like: Tensor) -> Tensor:
    """Build the derivative filters (2, 1, 5, 5) of the horizontal and of the vertical map."""
    if axes not in ("paper", "reference"):
        raise ValueError(f"axes {axes!r} is unknown; choose 'paper' or 'reference'")
    offset = torch.arange(-_RADIUS, _RADIUS + 1, device=like.device, dtype=like.dtype)
    along_x = offset.view(1, -1) / (offset.view(1, -1) ** 2 + offset.view(-1, 1) ** 2 + 1e-15)
    pair = [along_x, along_x.mT] if axes == "paper" else [along_x.mT, along_x]
    return torch.stack(pair).unsqueeze(1)


def _check_maps(predicted: Tensor, target: Tensor) -> None:
    if predicted.ndim != 4 or predicted.shape[1] != 2 or predicted.shape != target.shape:
        raise ValueError(
            "expected predicted and target maps (B, 2, H, W) of one shape, got "
            f"{tuple(predicted.shape)} and {tuple(target.shape)}"
        )
