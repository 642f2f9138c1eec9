"""Discriminators that judge an image patch by patch, or pixel by pixel."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks.initial import Initial, small_start
from histoseg.networks.blocks.norms import (
    Norm,
    Padding,
    conv_norm,
    has_bias,
    normalised,
    padding_mode,
)
from histoseg.networks.blocks.sizes import check_image

_SLOPE = 0.2


class PatchGAN(nn.Module):
    """Say of each patch of an image whether it looks real.

    Args:
        inputs: Channels of the image, with those of its condition before them.
        width: Channels of the first layer; doubled at each of the next three, then kept.
        layers: Number of halvings; 3 (``basic``, patches of 70 px) for CycleGAN, 4 for DeepLIIF.
        norm: ``batch``, ``instance`` (inner convolutions then have a bias), ``none`` or
            ``spectral``.
        padding: Of all convolutions. ``reflect`` for the weights of IHC_HE_GenAI.
        sigmoid: Whether the result is squeezed into (0, 1). True for those weights.
        initial: How weights start, see `networks.blocks.initial.small_start`.
        gain: Their size.

    Attributes:
        least: Least height and width of an image, pixels.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Isola et al. 2017, junyanz/pytorch-CycleGAN-and-pix2pix ``networks.py``.
    """

    def __init__(
        self,
        inputs: int = 3,
        width: int = 64,
        layers: int = 3,
        norm: Norm = "batch",
        padding: Padding = "zero",
        sigmoid: bool = False,
        initial: Initial = "normal",
        gain: float = 0.02,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers is {layers}; give 1 or more, or use PixelGAN")
        self.inputs, self.sigmoid, self.least = inputs, sigmoid, 3 * 2**layers
        mode = padding_mode(padding)
        channels = [inputs, *(width * min(2**layer, 8) for layer in range(layers + 1))]
        self.layers = nn.Sequential()
        for layer, (given, out) in enumerate(pairwise(channels)):
            stride, bias = (2 if layer < layers else 1), layer == 0 or has_bias(norm)
            conv = nn.Conv2d(given, out, 4, stride, 1, padding_mode=mode, bias=bias)
            self.layers.append(conv_norm(conv, out, norm, behind=layer > 0))
        self.head = normalised(nn.Conv2d(channels[-1], 1, 4, padding=1, padding_mode=mode), norm)
        small_start(self, initial, gain)

    def forward(self, image: Tensor) -> Tensor:
        """Judge an image.

        Args:
            image: (B, inputs, H, W), float32 in [-1, 1]; H and W of `least` pixels or more.

        Returns:
            (B, 1, h, w), ``h = H // 2**layers - 2``: logits, or numbers in (0, 1) with ``sigmoid``.

        Raises:
            ValueError: If the image does not fit.
        """
        check_image(image, self.inputs, 1, "PatchGAN")
        if min(image.shape[-2:]) < self.least:
            raise ValueError(
                f"PatchGAN: an image of {image.shape[-2]} x {image.shape[-1]} px is too small for "
                f"{len(self.layers) - 1} halvings; give {self.least} px or more, or fewer layers"
            )
        x = image
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), _SLOPE, inplace=True)
        x = self.head(x)
        return torch.sigmoid(x) if self.sigmoid else x


class PixelGAN(nn.Module):
    """Say of each pixel by its colour alone whether it looks real.

    Args:
        inputs: Channels of the image, with those of its condition before them.
        width: Channels of the first layer, doubled in the second.
        norm: As of `PatchGAN`.
        initial: How weights start, see `networks.blocks.initial.small_start`.
        gain: Their size.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Isola et al. 2017, junyanz/pytorch-CycleGAN-and-pix2pix ``networks.py``.
    """

    def __init__(
        self,
        inputs: int = 3,
        width: int = 64,
        norm: Norm = "batch",
        initial: Initial = "normal",
        gain: float = 0.02,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        bias = has_bias(norm)
        self.layers = nn.Sequential(
            conv_norm(nn.Conv2d(inputs, width, 1), width, norm, behind=False),
            conv_norm(nn.Conv2d(width, 2 * width, 1, bias=bias), 2 * width, norm),
        )
        self.head = normalised(nn.Conv2d(2 * width, 1, 1, bias=bias), norm)
        small_start(self, initial, gain)

    def forward(self, image: Tensor) -> Tensor:
        """Turn an image (B, inputs, H, W), float32 in [-1, 1], into logits (B, 1, H, W).

        Raises:
            ValueError: If the image has another number of channels.
        """
        check_image(image, self.inputs, 1, "PixelGAN")
        x = image
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), _SLOPE, inplace=True)
        logits: Tensor = self.head(x)
        return logits
