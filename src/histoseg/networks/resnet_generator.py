"""The translator of CycleGAN, DeepLIIF and pix2pix: residual blocks at a quarter of the size."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks.conv3x3 import Conv3x3
from histoseg.networks.blocks.conv_to_few import ConvToFew
from histoseg.networks.blocks.initial import Initial, small_start
from histoseg.networks.blocks.norms import (
    Norm,
    Padding,
    conv_norm,
    has_bias,
    norm_layer,
    normalised,
    padding_mode,
)
from histoseg.networks.blocks.sizes import check_image

Upsampling = Literal["convtranspose", "resize_conv", "pixel_shuffle"]
_MULTIPLE = 4  # two halvings


class ResnetGenerator(nn.Module):
    """Translate an image into another of the same size.

    A 7x7 convolution, two halvings, residual blocks, two doublings, a 7x7 convolution.

    Args:
        inputs: Channels of the image, 3 for each panel.
        outputs: Channels of the result.
        width: Channels at full size; four times as many in the residual blocks.
        blocks: Number of residual blocks.
        norm: ``batch``, ``instance`` (inner convolutions then have a bias), ``none`` or
            ``spectral``.
        padding: Of the residual blocks; the 7x7 convolutions reflect with ``reflect`` and pad with
            zeros otherwise.
        dropout: Share dropped in each residual block, in [0, 1); published 0.5 for DeepLIIF and
            pix2pix, 0 for CycleGAN.
        upsampling: ``convtranspose`` (published); ``resize_conv`` (repeat, then a convolution) and
            ``pixel_shuffle`` are without its checkerboard.
        stem_norm: Whether a norm follows the first convolution. False for the weights of
            IHC_HE_GenAI.
        down_padding: Of the two halving convolutions. ``reflect`` for those weights.
        initial: How weights start, see `networks.blocks.initial.small_start`.
        gain: Their size.

    Attributes:
        multiple: What height and width must divide by, pixels.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Johnson et al. 2016; Zhu et al. 2017, junyanz/pytorch-CycleGAN-and-pix2pix
        ``networks.py``; nadeemlab/DeepLIIF ``networks.py``. Deliberate differences: padding belongs
        to the convolutions, so neither it nor dropout changes a key of the state; pixel_shuffle,
        which DeepLIIF cannot build, has one ReLU.
    """

    multiple = _MULTIPLE

    def __init__(
        self,
        inputs: int = 3,
        outputs: int = 3,
        width: int = 64,
        blocks: int = 9,
        norm: Norm = "batch",
        padding: Padding = "zero",
        dropout: float = 0.5,
        upsampling: Upsampling = "convtranspose",
        stem_norm: bool = True,
        down_padding: Padding = "zero",
        initial: Initial = "normal",
        gain: float = 0.02,
    ) -> None:
        super().__init__()
        if upsampling not in get_args(Upsampling):
            raise ValueError(
                f"upsampling {upsampling!r} is unknown; choose one of {get_args(Upsampling)}"
            )
        self.inputs, self.upsampling = inputs, upsampling
        bias = has_bias(norm)
        outer = padding_mode("reflect" if padding == "reflect" else "zero")
        stem = nn.Conv2d(inputs, width, 7, padding=3, padding_mode=outer, bias=bias)
        self.stem = conv_norm(stem, width, norm, behind=stem_norm)
        down = padding_mode(down_padding)
        self.down = nn.ModuleList(
            conv_norm(nn.Conv2d(w, 2 * w, 3, 2, 1, padding_mode=down, bias=bias), 2 * w, norm)
            for w in (width, 2 * width)
        )
        self.blocks = nn.Sequential(
            *(_ResidualBlock(4 * width, norm, padding, dropout) for _ in range(blocks))
        )
        self.up = nn.ModuleList(_Double(w, norm, upsampling) for w in (4 * width, 2 * width))
        self.head = normalised(ConvToFew(width, outputs, 7, outer), norm)
        small_start(self, initial, gain)

    def forward(self, image: Tensor) -> Tensor:
        """Translate an image.

        Args:
            image: (B, inputs, H, W), float32 in [-1, 1]; H and W divide by 4.

        Returns:
            (B, outputs, H, W) in [-1, 1].

        Raises:
            ValueError: If the image does not fit.
        """
        check_image(image, self.inputs, self.multiple, "ResnetGenerator")
        x = functional.relu(self.stem(image), inplace=True)
        for half in self.down:
            x = functional.relu(half(x), inplace=True)
        x = self.blocks(x)
        for double in self.up:
            x = functional.relu(double(x), inplace=True)
        return torch.tanh(self.head(x))


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int, norm: Norm, padding: Padding, dropout: float) -> None:
        super().__init__()
        mode, bias = padding_mode(padding), has_bias(norm)
        self.first, self.second = (
            conv_norm(Conv3x3(channels, channels, mode, bias), channels, norm) for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.first(x), inplace=True)
        result: Tensor = self.second(self.dropout(inner)).add_(x)
        return result


class _Double(nn.Module):
    """Double height and width and halve the channels; the norm is behind."""

    def __init__(self, channels: int, norm: Norm, upsampling: Upsampling) -> None:
        super().__init__()
        half = channels // 2
        self.before: nn.Module = nn.Identity()
        self.after: nn.Module = nn.Identity()
        if upsampling == "convtranspose":
            conv: nn.Module = nn.ConvTranspose2d(
                channels, half, 3, 2, 1, output_padding=1, bias=has_bias(norm)
            )
        elif upsampling == "resize_conv":
            self.before = nn.Upsample(scale_factor=2, mode="nearest")
            conv = nn.Conv2d(channels, half, 3, padding=1, padding_mode="reflect")
        else:
            self.after = nn.PixelShuffle(2)
            conv = nn.Conv2d(channels, 4 * half, 3, padding=1)
        self.conv = normalised(conv, norm)
        self.norm = norm_layer(norm, half)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(self.after(self.conv(self.before(x))))
        return result
