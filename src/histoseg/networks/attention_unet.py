"""DeepLIIF's U-Net with attention gates on its skips."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks.initial import Initial, small_start
from histoseg.networks.blocks.norms import Norm, conv_norm
from histoseg.networks.blocks.sizes import check_image

_SLOPE = 0.2
_NORM: Norm = "batch"  # the published network has no other


class AttentionUNet(nn.Module):
    """Translate an image; what a skip hands on is weighed by what comes from below.

    Args:
        inputs: Channels of the image, 3 for each panel.
        outputs: Channels of the result.
        width: Channels of the first level, even; doubled at each of the next three, then kept.
        depth: Number of halvings; published 8 (``unet_512_attention``).
        initial: How weights start, see `networks.blocks.initial.small_start`.
        gain: Their size.

    Attributes:
        multiple: What height and width must divide by, pixels.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Oktay et al. 2018; nadeemlab/DeepLIIF ``att_unet.py``.
    """

    def __init__(
        self,
        inputs: int = 3,
        outputs: int = 3,
        width: int = 64,
        depth: int = 8,
        initial: Initial = "normal",
        gain: float = 0.02,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth is {depth}; a U-Net needs 2 halvings or more")
        if width < 2 or width % 2:
            raise ValueError(f"width is {width}; give an even number, gates take half of it")
        self.inputs, self.multiple = inputs, 2**depth
        channels = [width * min(2**level, 8) for level in range(depth)]
        last = depth - 1
        self.down = nn.ModuleList(
            _half(channels[level - 1] if level else inputs, channels[level], 0 < level < last)
            for level in range(depth)
        )
        self.up = nn.ModuleList([_double(2 * channels[0], outputs, outermost=True)])
        self.gates = nn.ModuleList([nn.Identity()])  # level 0 has no skip; the numbers agree
        for level in range(1, depth):
            skip = channels[level - 1]
            self.up.append(_double(channels[level] * (1 if level == last else 2), skip))
            self.gates.append(_Gate(skip, skip if skip == 8 * width else skip // 2))
        small_start(self, initial, gain)

    def forward(self, image: Tensor) -> Tensor:
        """Translate an image.

        Args:
            image: (B, inputs, H, W), float32 in [-1, 1]; H and W divide by ``2**depth``.

        Returns:
            (B, outputs, H, W) in [-1, 1].

        Raises:
            ValueError: If the image does not fit.
        """
        check_image(image, self.inputs, self.multiple, "AttentionUNet")
        skips, x = [], image
        for half in self.down[:-1]:
            x = functional.leaky_relu(half(x), _SLOPE)
            skips.append(x)
        x = functional.relu(self.down[-1](x))
        for level in range(len(self.up) - 1, 0, -1):
            x = functional.relu(self.up[level](x))
            x = torch.cat([self.gates[level](x, skips.pop()), x], dim=1)
        return torch.tanh(self.up[0](x))


class _Gate(nn.Module):
    """Weigh a skip, pixel by pixel, by a number in [0, 1]."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.below = conv_norm(nn.Conv2d(channels, inner, 1), inner, _NORM)
        self.skip = conv_norm(nn.Conv2d(channels, inner, 1), inner, _NORM)
        self.weight = conv_norm(nn.Conv2d(inner, 1, 1), 1, _NORM)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        both = functional.relu(self.below(below) + self.skip(skip))
        return skip * torch.sigmoid(self.weight(both))


def _half(given: int, channels: int, behind: bool) -> nn.Module:
    conv = nn.Conv2d(given, channels, 4, stride=2, padding=1)
    return conv_norm(conv, channels, _NORM, behind)


def _double(given: int, channels: int, outermost: bool = False) -> nn.Module:
    conv = nn.ConvTranspose2d(given, channels, 4, stride=2, padding=1, bias=outermost)
    return conv_norm(conv, channels, _NORM, behind=not outermost)
