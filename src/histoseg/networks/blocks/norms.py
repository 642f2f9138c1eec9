"""Convolutions with the norms of the image translators, named alike in all their networks."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, get_args

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from histoseg.networks.blocks.tile_statistics import TileNorm

Norm = Literal["batch", "instance", "none", "spectral"]
Padding = Literal["zero", "reflect", "replicate"]
_TorchPadding = Literal["zeros", "reflect", "replicate"]
_MODES: dict[str, _TorchPadding] = {
    "zero": "zeros",
    "reflect": "reflect",
    "replicate": "replicate",
}


def padding_mode(padding: Padding) -> _TorchPadding:
    """Say what torch calls a padding.

    Args:
        padding: ``zero``, ``reflect`` or ``replicate``.

    Raises:
        ValueError: If ``padding`` is none of these.
    """
    if padding not in _MODES:
        raise ValueError(f"padding {padding!r} is unknown; choose one of {get_args(Padding)}")
    return _MODES[padding]


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """Make what stands behind a convolution.

    Args:
        norm: ``batch``: learns scale and shift, keeps running statistics. ``instance``: each image
            and channel by its own statistics, nothing to learn. ``none`` and ``spectral``: nothing;
            the latter is on the weights (`normalised`).
        channels: Channels of the feature map.

    Raises:
        ValueError: If ``norm`` is none of these.
    """
    if norm not in get_args(Norm):
        raise ValueError(f"norm {norm!r} is unknown; choose one of {get_args(Norm)}")
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return TileNorm(channels) if norm == "instance" else nn.Identity()


def has_bias(norm: Norm) -> bool:
    """Whether inner convolutions have a bias: with ``instance`` alone, as in the originals."""
    return norm == "instance"


def normalised(layer: nn.Module, norm: Norm) -> nn.Module:
    """Put the spectral norm on a layer's weights, if ``norm`` is ``spectral``."""
    return spectral_norm(layer) if norm == "spectral" else layer


def conv_norm(conv: nn.Module, channels: int, norm: Norm, behind: bool = True) -> nn.Sequential:
    """Pair a convolution and its norm under the names ``conv`` and ``norm``.

    Args:
        conv: The convolution, plain or transposed.
        channels: Channels that it gives.
        norm: See `norm_layer`.
        behind: Whether a norm stands behind it; the spectral norm is on the weights all the same.
    """
    layers = {"conv": normalised(conv, norm)}
    layers["norm"] = norm_layer(norm if behind else "none", channels)
    return nn.Sequential(OrderedDict(layers))
