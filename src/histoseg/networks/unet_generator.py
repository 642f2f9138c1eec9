"""The U-Net of pix2pix, which DeepLIIF segments with: down to a point, a skip at each level."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks.initial import Initial, small_start
from histoseg.networks.blocks.norms import Norm, conv_norm, has_bias
from histoseg.networks.blocks.sizes import check_image

_SLOPE = 0.2
_FIRST_DROPPED = 4  # levels above are never dropped


class UNetGenerator(nn.Module):
    """Translate an image of ``2**depth`` pixels, or a multiple, into another of the same size.

    Args:
        inputs: Channels of the image, 3 for each panel.
        outputs: Channels of the result.
        width: Channels of the first level; doubled at each of the next three, then kept.
        depth: Number of halvings; published 9 (``unet_512``) and 8 (``unet_256``).
        norm: ``batch``, ``instance`` (inner convolutions then have a bias), ``none`` or
            ``spectral``.
        dropout: Share dropped behind the doublings of the fifth to the last but one level, in
            [0, 1).
        initial: How weights start, see `networks.blocks.initial.small_start`.
        gain: Their size.

    Attributes:
        multiple: What height and width must divide by, pixels.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Isola et al. 2017, junyanz/pytorch-CycleGAN-and-pix2pix ``networks.py``; nadeemlab/DeepLIIF.
        Deliberate difference: levels stand in lists and not in each other.
    """

    def __init__(
        self,
        inputs: int = 3,
        outputs: int = 3,
        width: int = 64,
        depth: int = 9,
        norm: Norm = "batch",
        dropout: float = 0.5,
        initial: Initial = "normal",
        gain: float = 0.02,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth is {depth}; a U-Net needs 2 halvings or more")
        self.inputs, self.multiple = inputs, 2**depth
        channels = [width * min(2**level, 8) for level in range(depth)]
        self.down = nn.ModuleList(
            _half(channels[level - 1] if level else inputs, channels[level], norm, level > 0)
            for level in range(depth - 1)
        )
        self.down.append(_half(channels[-2], channels[-1], norm, behind=False))
        self.up = nn.ModuleList([_double(2 * channels[0], outputs, norm, outermost=True)])
        for level in range(1, depth):
            given = channels[level] * (1 if level == depth - 1 else 2)
            self.up.append(_double(given, channels[level - 1], norm))
        self.dropout = nn.Dropout(dropout)
        self._dropped = range(_FIRST_DROPPED, depth - 1)
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
        check_image(image, self.inputs, self.multiple, "UNetGenerator")
        skips = [self.down[0](image)]
        for half in self.down[1:]:  # in place: of what a skip carries, only the positive counts
            skips.append(half(functional.leaky_relu(skips[-1], _SLOPE, inplace=True)))
        x = skips.pop()
        for level in range(len(self.up) - 1, 0, -1):
            x = self.up[level](functional.relu(x, inplace=True))
            x = self.dropout(x) if level in self._dropped else x
            x = torch.cat([skips.pop(), x], dim=1)
        return torch.tanh(self.up[0](functional.relu(x, inplace=True)))


def _half(given: int, channels: int, norm: Norm, behind: bool) -> nn.Module:
    conv = nn.Conv2d(given, channels, 4, stride=2, padding=1, bias=has_bias(norm))
    return conv_norm(conv, channels, norm, behind)


def _double(given: int, channels: int, norm: Norm, outermost: bool = False) -> nn.Module:
    bias = outermost or has_bias(norm)
    conv = nn.ConvTranspose2d(given, channels, 4, stride=2, padding=1, bias=bias)
    return conv_norm(conv, channels, norm, behind=not outermost)
