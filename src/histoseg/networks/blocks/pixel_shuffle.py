"""Growing by pixel shuffle without checkerboards, and attention over all pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class PixelShuffle(nn.Module):
    """Double height and width: a 1x1 convolution, ReLU, pixel shuffle and, if wanted, a blur.

    Args:
        given: Channels of the input.
        channels: Channels of the output.
        blur: Whether the mean over 2x2 pixels follows, the first row and column repeated.

    Source:
        Aitken et al. 2017, https://arxiv.org/abs/1707.02937; fastai 1.0.61 ``PixelShuffle_ICNR``.
    """

    def __init__(self, given: int, channels: int, blur: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(given, 4 * channels, 1), nn.ReLU(inplace=True))
        self.blur = blur

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, given, H, W) into (B, channels, 2 H, 2 W)."""
        grown = functional.pixel_shuffle(self.conv(x), 2)
        if not self.blur:
            return grown
        return functional.avg_pool2d(functional.pad(grown, (1, 0, 1, 0), "replicate"), 2, 1)

    def start(self) -> None:
        """Start so that the four pixels which one becomes are alike (ICNR)."""
        conv = self.conv[0]
        assert isinstance(conv, nn.Conv2d)  # for the type checker
        base = torch.empty_like(conv.weight[::4])
        nn.init.kaiming_normal_(base)
        with torch.no_grad():
            conv.weight.copy_(base.repeat_interleave(4, dim=0))
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)


class SelfAttention(nn.Module):
    """Let each pixel look at all others; starts as nothing.

    Memory grows with the square of the number of pixels.

    Args:
        channels: Of the map, 8 or more.

    Attributes:
        gamma: How much of it is added; starts at 0.

    Source:
        Zhang et al. 2018, https://arxiv.org/abs/1805.08318; fastai 1.0.61 ``SelfAttention``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = _line(channels, channels // 8)
        self.key = _line(channels, channels // 8)
        self.value = _line(channels, channels)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, C, H, W) into the same shape."""
        pixels = x.flatten(2)
        query, key, value = self.query(pixels), self.key(pixels), self.value(pixels)
        share = torch.bmm(query.transpose(1, 2), key).softmax(dim=1)
        seen = self.gamma * torch.bmm(value, share) + pixels
        return seen.view(x.shape)


def _line(given: int, channels: int) -> nn.Module:
    conv = nn.Conv1d(given, channels, 1, bias=False)
    nn.init.kaiming_normal_(conv.weight)
    return spectral_norm(conv)
