"""Any encoder of timm as the encoder of a network with skips at strides 1, 2, 4 and 8."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks.frozen import FreezableEncoder, Freeze
from histoseg.networks.blocks.initial import kaiming_fan_out

_STRIDES = (1, 2, 4, 8)


class TimmEncoder(FreezableEncoder):
    """An encoder of timm, with what it lacks of strides 1, 2, 4 and 8 put beside it.

    Lacking strides (1 in a ResNet, 1 and 2 in a ConvNeXt) come from a small convolutional stem
    on the image. Features deeper than stride 8 are repeated to stride 8 and concatenated there.
    The image is normalised with the mean and deviation that the encoder was trained with. An
    encoder that takes one size only (many transformers) gets the image resized to it.

    Args:
        name: Any name that ``timm.create_model(name, features_only=True)`` takes.
        in_channels: Channels of the image.
        width: Channels of the stem at stride 1; doubled at each further stride.
        pretrained: Whether to download timm's weights.

    Attributes:
        backbone: timm's model. Freezing concerns it alone: ``reference`` runs it without autograd
            but lets batch norms collect statistics. The stem is new and always learns.

    Raises:
        ValueError: If timm does not know ``name``.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, name: str, in_channels: int = 3, width: int = 64, pretrained: bool = False
    ) -> None:
        super().__init__()
        self.backbone = create_backbone(name, in_channels, pretrained)
        facts = self.backbone.pretrained_cfg
        for statistic in ("mean", "std"):
            known = facts[statistic]
            values = [known[i % len(known)] for i in range(in_channels)]
            self.register_buffer(statistic, torch.tensor(values).view(1, -1, 1, 1))

        self._strides = tuple(self.backbone.feature_info.reduction())
        lacking = [i for i, stride in enumerate(_STRIDES) if stride not in self._strides]
        levels = lacking[-1] + 1 if lacking else 0
        self.stem = nn.ModuleList(
            _stem_level(width * stride // 2 if stride > 1 else in_channels, width * stride, stride)
            for stride in _STRIDES[:levels]
        )
        kaiming_fan_out(self.stem)
        counts = self.backbone.feature_info.channels()
        stem_counts = [width * stride for stride in _STRIDES[:levels]]
        first, second, third, fourth = (sum(skip) for skip in self._sorted(counts, stem_counts))
        self.channels = (first, second, third, fourth)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Encode an image (B, C, H, W); H and W divide by 8."""
        image = (image - self.mean) / self.std
        with self.without_gradient():
            features = features_of(self.backbone, image)
        own, x = [], image
        for level in self.stem:
            x = level(x)
            own.append(x)
        height, width = image.shape[-2:]
        skips = []
        for stride, parts in zip(_STRIDES, self._sorted(features, own), strict=True):
            size = (height // stride, width // stride)
            fitted = [p if p.shape[-2:] == size else functional.interpolate(p, size) for p in parts]
            skips.append(fitted[0] if len(fitted) == 1 else torch.cat(fitted, dim=1))
        return skips

    def frozen_parts(self, how: Freeze) -> list[nn.Module]:
        """The backbone, whatever ``how``."""
        return [self.backbone]

    def _sorted(self, features: list[Any], stem: list[Any]) -> list[list[Any]]:
        """Say what makes up the skip of each stride; the stem fills in for the backbone."""
        skips = []
        for i, stride in enumerate(_STRIDES):
            at = [f for s, f in zip(self._strides, features, strict=True) if s == stride]
            skips.append(at or [stem[i]])
        skips[3] += [f for s, f in zip(self._strides, features, strict=True) if s > _STRIDES[3]]
        return skips


def create_backbone(name: str, in_channels: int, pretrained: bool) -> Any:
    """Build timm's model that gives the features of each stage.

    Raises:
        ValueError: If timm does not know ``name``.
    """
    if not timm.is_model(name.split(".")[0]):
        near = ", ".join(get_close_matches(name, timm.list_models())) or "none"
        raise ValueError(f"timm has no encoder {name!r}; expected a timm name, close ones: {near}")
    return timm.create_model(name, features_only=True, pretrained=pretrained, in_chans=in_channels)


def features_of(backbone: Any, image: Tensor) -> list[Tensor]:
    """Run a model of `create_backbone`: features (B, C, h, w), largest first.

    One that takes one size only (many transformers) gets the image resized to it.
    """
    facts = backbone.pretrained_cfg
    if facts.get("fixed_input_size"):
        size = tuple(facts["input_size"][1:])
        image = functional.interpolate(image, size, mode="bilinear", antialias=True)
    features: list[Tensor] = backbone(image)
    if str(getattr(backbone, "output_fmt", "")).endswith("NHWC"):
        return [f.permute(0, 3, 1, 2) for f in features]
    return features


def _stem_level(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """Two 3x3 convolutions; the first halves the size at every level but that of stride 1."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, stride=min(stride, 2), padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )
