"""A U-Net on any encoder that grows by pixel shuffle: fastai's "Dynamic U-Net"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks.pixel_shuffle import PixelShuffle, SelfAttention
from histoseg.networks.encoder import create_backbone, features_of

Norm = Literal["none", "batch"]
Act = Literal["relu", "leaky_relu", "silu", "gelu"]
FreezeEncoder = Literal["none", "convs", "full"]
_ACTS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "silu": lambda: nn.SiLU(inplace=True),
    "gelu": nn.GELU,
}
_NORM_BIAS = 1e-3
_ATTENTION_AT = 3  # blocks from the end


class PixelShuffleUNet(nn.Module):
    """Say of each pixel which class it is.

    Args:
        outputs: Classes with background.
        in_channels: Channels of the image.
        encoder: Name of a timm encoder, with its tag if weights of one are meant.
        encoder_pretrained: Whether to download timm's weights of that name.
        standardise: Whether the image is brought to the mean and deviation that timm's weights were
            trained with. The original feeds [0, 1].
        blur: Whether each shuffle is followed by a 2x2 mean, against checkerboards.
        blur_final: Whether the last block does so too.
        self_attention: Whether the third block from the end attends to all of its pixels.
        last_cross: Whether the image itself is joined to the last features.
        bottle: Whether the residual block behind has half the width inside.
        norm: ``batch`` puts a batch norm behind each convolution of the decoder.
        act: Activation of the decoder.

    Raises:
        ValueError: If an argument is unknown, or the encoder has a single resolution.

    Source:
        fastai 1.0.61 ``DynamicUnet``; ICNR: Aitken et al. 2017, https://arxiv.org/abs/1707.02937
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        outputs: int,
        in_channels: int = 3,
        encoder: str = "resnet34",
        encoder_pretrained: bool = False,
        standardise: bool = False,
        blur: bool = False,
        blur_final: bool = True,
        self_attention: bool = False,
        last_cross: bool = True,
        bottle: bool = False,
        norm: Norm = "none",
        act: Act = "relu",
    ) -> None:
        super().__init__()
        if norm not in get_args(Norm) or act not in _ACTS:
            raise ValueError(
                f"norm {norm!r} and act {act!r}: expected one of {get_args(Norm)} and of "
                f"{tuple(_ACTS)}"
            )
        self.in_channels, self.freeze_mode = in_channels, "none"
        self.encoder = create_backbone(encoder, in_channels, encoder_pretrained)
        self.taps, channels, strides = _taps(self.encoder.feature_info, encoder)
        for statistic in ("mean", "std"):
            known = self.encoder.pretrained_cfg[statistic]
            values = [known[i % len(known)] for i in range(in_channels)]
            tensor = torch.tensor(values).view(1, -1, 1, 1)
            self.register_buffer(statistic, tensor, persistent=False)
        self.standardise = standardise

        *skips, deepest = channels
        self.bridge_norm = nn.BatchNorm2d(deepest)
        self.bridge = nn.Sequential(
            _conv(deepest, 2 * deepest, norm, act), _conv(2 * deepest, deepest, norm, act)
        )
        self.blocks = nn.ModuleList()
        width = deepest
        for i, skip in enumerate(reversed(skips)):
            last = i == len(skips) - 1
            block = _Block(
                width,
                skip,
                norm,
                act,
                halved=last,
                blur=blur and (blur_final or not last),
                attention=self_attention and i == len(skips) - _ATTENTION_AT,
            )
            self.blocks.append(block)
            width = block.channels
        self.last_shuffle = PixelShuffle(width, width) if strides[0] > 1 else nn.Identity()
        self.last_cross = last_cross
        if last_cross:
            width += in_channels
            inner = width // 2 if bottle else width
            self.cross = nn.Sequential(
                _conv(width, inner, norm, act), _conv(inner, width, norm, act)
            )
        self.head = nn.Conv2d(width, outputs, 1)
        self._start()

    def forward(self, image: Tensor) -> Tensor:
        """Score the classes of each pixel.

        Args:
            image: (B, in_channels, H, W), float32 in [0, 1]; any size of 32 px or more.

        Returns:
            Logits (B, outputs, H, W).

        Raises:
            ValueError: If the image has other channels.
        """
        if image.ndim != 4 or image.shape[1] != self.in_channels:
            raise ValueError(
                f"expected an image (B, {self.in_channels}, H, W), got shape {tuple(image.shape)}"
            )
        seen = (image - self.mean) / self.std if self.standardise else image
        features = features_of(self.encoder, seen)
        *skips, x = [features[i] for i in self.taps]
        x = self.bridge(functional.relu(self.bridge_norm(x)))
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(x, skip)
        x = _fitted(self.last_shuffle(x), seen)
        if self.last_cross:
            x = torch.cat([x, seen], dim=1)
            x = x + self.cross(x)
        logits: Tensor = self.head(x)
        return logits

    def freeze_encoder(self, how: FreezeEncoder) -> None:
        """Hold the encoder still, or let all of it learn again.

        Args:
            how: ``convs`` holds all but its batch norms, which go on learning and collecting
                statistics, as fastai's first stage does; ``full`` holds those too; ``none``
                nothing.

        Raises:
            ValueError: If ``how`` is none of these.
        """
        if how not in get_args(FreezeEncoder):
            raise ValueError(f"freeze {how!r} is unknown; choose one of {get_args(FreezeEncoder)}")
        self.freeze_mode = how
        self.encoder.requires_grad_(how == "none")
        if how == "convs":
            for part in self.encoder.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> PixelShuffleUNet:
        """Switch between training and evaluation; an encoder held in full stays in evaluation."""
        super().train(mode)
        if self.freeze_mode == "full":
            self.encoder.eval()
        return self

    def layer_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by depth, as fastai cuts the network to give each group its learning rate.

        Returns:
            ``early``: the encoder up to the third tap from its end (stem, layer1 and layer2 of a
            ResNet); ``late``: the rest of it; ``decoder``. An encoder whose stages timm does not
            tell apart is all late.
        """
        inside = [id(p) for p in self.encoder.parameters()]
        early = set(inside[: self._early()])
        groups: dict[str, list[nn.Parameter]] = {"early": [], "late": [], "decoder": []}
        for p in self.parameters():
            key = "early" if id(p) in early else "late" if id(p) in inside else "decoder"
            groups[key].append(p)
        return groups

    def _early(self) -> int:
        """How many of the encoder's parameters, which are in the order of depth, come early."""
        if len(self.taps) < 3:
            return 0
        name = self.encoder.feature_info.module_name(self.taps[-3])
        modules = dict(self.encoder.named_modules())
        name = name if name in modules else name.replace(".", "_")
        passed = 0
        for own, module in modules.items():
            if own == name:
                return passed + len([*module.parameters()])
            passed += len([*module.parameters(recurse=False)])
        return 0

    def _start(self) -> None:
        """Start the decoder as fastai 1 does: Kaiming, biases 0, norms 1 and 1e-3."""
        for name, layer in self.named_modules():
            if name.startswith("encoder.") or isinstance(layer, PixelShuffle | SelfAttention):
                continue
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.ones_(layer.weight)
                nn.init.constant_(layer.bias, _NORM_BIAS)
        for layer in self.modules():
            if isinstance(layer, PixelShuffle):
                layer.start()


class _Block(nn.Module):
    """Grow, join with the skip, convolve twice."""

    def __init__(
        self,
        given: int,
        skip: int,
        norm: Norm,
        act: Act,
        *,
        halved: bool,
        blur: bool,
        attention: bool,
    ) -> None:
        super().__init__()
        joined = given // 2 + skip
        self.channels = joined // 2 if halved else joined
        self.shuffle = PixelShuffle(given, given // 2, blur=blur)
        self.norm = nn.BatchNorm2d(skip)
        self.act = _ACTS[act]()
        self.conv1 = _conv(joined, self.channels, norm, act)
        self.conv2 = _conv(self.channels, self.channels, norm, act)
        if attention:
            self.conv2.append(SelfAttention(self.channels))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = _fitted(self.shuffle(x), skip)
        joined = self.act(torch.cat([x, self.norm(skip)], dim=1))
        grown: Tensor = self.conv2(self.conv1(joined))
        return grown


def _conv(given: int, channels: int, norm: Norm, act: Act) -> nn.Sequential:
    conv = nn.Conv2d(given, channels, 3, padding=1, bias=norm == "none")
    layers = [conv, _ACTS[act]()]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(channels)] if norm == "batch" else []))


def _fitted(x: Tensor, like: Tensor) -> Tensor:
    """Bring a map to the size of another, to the nearest pixel."""
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else functional.interpolate(x, size)


def _taps(info: object, name: str) -> tuple[list[int], list[int], list[int]]:
    """The deepest features of each stride: their numbers, channels and strides."""
    channels, strides = info.channels(), info.reduction()  # type: ignore[attr-defined]
    taps = [i for i, s in enumerate(strides) if i + 1 == len(strides) or strides[i + 1] != s]
    if len(taps) < 2:
        raise ValueError(
            f"encoder {name!r} has one resolution only (stride {strides[-1]}); expected one that "
            "gets coarser in stages, such as resnet34 or convnext_tiny"
        )
    return taps, [channels[i] for i in taps], [strides[i] for i in taps]
