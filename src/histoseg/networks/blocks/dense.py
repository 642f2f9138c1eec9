"""HoVer-Net's dense block: valid convolutions that grow channels and shrink the picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.ops.crop import centre_crop


class DenseBlock(nn.Module):
    """Units that each add ``growth`` channels and take ``kernel - 1`` pixels off height and width.

    Args:
        in_channels: Channels of the input.
        bottleneck: Channels between the two convolutions of a unit.
        growth: Channels that a unit adds; divides by 4, as does ``bottleneck``.
        kernel: Size of the second, grouped convolution.
        depth: Number of units.

    Attributes:
        out_channels: ``in_channels + depth * growth``.
    """

    def __init__(
        self, in_channels: int, bottleneck: int, growth: int, kernel: int, depth: int
    ) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            _Unit(in_channels + i * growth, bottleneck, growth, kernel) for i in range(depth)
        )
        self.out_channels = in_channels + depth * growth
        self.bn = nn.BatchNorm2d(self.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, in_channels, H, W) into (B, out_channels, H - d(k-1), W - d(k-1))."""
        for unit in self.units:
            new = unit(x)
            x = torch.cat([centre_crop(x, (new.shape[2], new.shape[3])), new], dim=1)
        return functional.relu(self.bn(x), inplace=True)


class _Unit(nn.Module):
    def __init__(self, in_channels: int, bottleneck: int, growth: int, kernel: int) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, bottleneck, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(bottleneck)
        self.conv2 = nn.Conv2d(bottleneck, growth, kernel, groups=4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(functional.relu(self.bn0(x), inplace=True))
        new: Tensor = self.conv2(functional.relu(self.bn1(x), inplace=True))
        return new
