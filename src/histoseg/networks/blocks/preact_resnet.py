"""The pre-activation ResNet of HoVer-Net: full resolution at first, stride 8 at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks.frozen import FreezableEncoder, Freeze


class PreactResNet(FreezableEncoder):
    """Four stages of pre-activation bottlenecks at strides 1, 2, 4 and 8.

    Args:
        in_channels: Channels of the image.
        width: Channels of the first convolution; stages give 4, 8, 16 and 32 times as many.
        depths: Units in each stage; (3, 4, 6, 3) is ResNet-50.
        padded: Whether the first convolution (7x7) keeps the size; otherwise it takes 3 px off
            each side.

    Source:
        He et al. 2016; vqdang/hover_net ``net_desc.py``. Frozen as the ``reference`` does it, the
        units of the first stage and all later stages run without autograd. The first stage's
        shortcut and last norm still learn, and the first convolution learns through them.
    """

    def __init__(
        self, in_channels: int, width: int, depths: tuple[int, int, int, int], padded: bool
    ) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(in_channels, width, 7, padding=3 if padded else 0, bias=False)
        self.bn0 = nn.BatchNorm2d(width)
        self.d0 = _Stage(width, width, depths[0], stride=1)
        self.d1 = _Stage(4 * width, 2 * width, depths[1], stride=2)
        self.d2 = _Stage(8 * width, 4 * width, depths[2], stride=2)
        self.d3 = _Stage(16 * width, 8 * width, depths[3], stride=2)
        self.channels = (4 * width, 8 * width, 16 * width, 32 * width)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Encode an image (B, C, H, W); H and W after the first convolution divide by 8."""
        x = functional.relu(self.bn0(self.conv0(image)), inplace=True)
        x = self.d0(x, units_in=self.without_gradient)
        skips = [x]
        with self.without_gradient():
            for stage in (self.d1, self.d2, self.d3):
                x = stage(x)
                skips.append(x)
        return skips

    def frozen_parts(self, how: Freeze) -> list[nn.Module]:
        """All of it, or what the reference holds still."""
        if how == "reference":
            return [self.d0.units, self.d1, self.d2, self.d3]
        return list(self.children())


class _Stage(nn.Module):
    """Bottlenecks that add to one running sum, which a projection starts."""

    def __init__(self, in_channels: int, width: int, depth: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.units = nn.ModuleList(
            _Unit(in_channels if i == 0 else out, width, stride if i == 0 else 1, preact=i > 0)
            for i in range(depth)
        )
        self.shortcut = nn.Conv2d(in_channels, out, 1, stride=stride, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(
        self, x: Tensor, units_in: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Tensor:
        """Run the units, each within the context that ``units_in`` makes."""
        total = self.shortcut(x)
        for unit in self.units:
            with units_in():
                x = unit(x)
            total = x = x + total
        return functional.relu(self.bn(total), inplace=True)


class _Unit(nn.Module):
    """A bottleneck without its shortcut. The first of a stage gets an activated input."""

    def __init__(self, in_channels: int, width: int, stride: int, preact: bool) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(in_channels) if preact else None
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        # TensorFlow pads an even size before a strided 3x3 at the right and bottom only.
        self.pad = (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.bn0 is not None:
            x = functional.relu(self.bn0(x), inplace=True)
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = functional.relu(self.bn2(self.conv2(functional.pad(x, self.pad))), inplace=True)
        residual: Tensor = self.conv3(x)
        return residual
