"""HoVer-Net: one encoder, and a decoder each for nuclear pixels, distances and classes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks.dense import DenseBlock
from histoseg.networks.blocks.frozen import FreezableEncoder, Freeze
from histoseg.networks.blocks.initial import kaiming_fan_out
from histoseg.networks.blocks.preact_resnet import PreactResNet
from histoseg.networks.encoder import TimmEncoder
from histoseg.ops.crop import centre_crop

Mode = Literal["fast", "original"]
_TILE = {"fast": 256, "original": 270}
_KERNEL = {"fast": 3, "original": 5}
_STEM_LOSS = {"fast": 0, "original": 6}  # pixels of height or width before the first stage
_STRIDE = 8


class HoVerNet(nn.Module):
    """Segment and classify nuclei in one pass.

    Args:
        classes: Number of classes without background; 0 leaves out the class branch.
        mode: ``fast`` (3x3 decoder, 256 -> 164 px) or ``original`` (5x5 decoder, 270 -> 80 px).
        encoder: None for the published pre-activation ResNet; else the name of a timm encoder.
        width: Base width, a multiple of 8; every other number of channels scales with it.
        depths: Units in each stage of the published encoder.
        dense_units: Units in the dense blocks of a decoder, deep then shallow.
        in_channels: Channels of the image.
        pretrained_encoder: Whether a timm encoder starts from timm's weights.

    Attributes:
        tile: Published height and width of the input, pixels.
        margin: Pixels that the output lacks on each side of the input.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Graham et al. 2019; vqdang/hover_net ``net_desc.py``. Deliberate differences: images are in
        [0, 1] here and 0..255 there; upsampling is nearest interpolation and not a product with
        ones; the upsampled bottom, one for all branches, is made once. With the defaults it takes
        the published weights (`histoseg.weights`).
    """

    def __init__(
        self,
        classes: int,
        mode: Mode = "fast",
        encoder: str | None = None,
        width: int = 64,
        depths: tuple[int, int, int, int] = (3, 4, 6, 3),
        dense_units: tuple[int, int] = (8, 4),
        in_channels: int = 3,
        pretrained_encoder: bool = False,
    ) -> None:
        super().__init__()
        _check_arguments(classes, mode, encoder, width, pretrained_encoder)
        self.classes, self.mode, self.in_channels = classes, mode, in_channels
        self.tile = _TILE[mode]
        kernel = _KERNEL[mode]
        deep = 2 * (kernel - 1) * (1 + dense_units[0])  # lost at stride 2
        self._decoder_loss = 2 * (deep + (kernel - 1) * (1 + dense_units[1]))  # at stride 1
        self.margin = (_STEM_LOSS[mode] + self._decoder_loss) // 2

        self.encoder: FreezableEncoder
        wanted = (4 * width, 8 * width, 16 * width)
        if encoder is None:
            self.encoder = PreactResNet(in_channels, width, depths, padded=mode == "fast")
            kaiming_fan_out(self.encoder)
            self.laterals = nn.ModuleList(nn.Identity() for _ in wanted)
        else:
            self.encoder = TimmEncoder(encoder, in_channels, width, pretrained_encoder)
            self.laterals = nn.ModuleList(
                nn.Conv2d(given, out, 1, bias=False)
                for given, out in zip(self.encoder.channels[:3], wanted, strict=True)
            )
        self.conv_bot = nn.Conv2d(self.encoder.channels[3], 16 * width, 1, bias=False)
        outputs = {"np": 2, "hv": 2} | ({"tp": 1 + classes} if classes else {})
        self.decoder = nn.ModuleDict(
            {name: _Decoder(width, kernel, dense_units, out) for name, out in outputs.items()}
        )
        for part in (self.laterals, self.conv_bot, self.decoder):
            kaiming_fan_out(part)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Say of each pixel of the middle of an image what it is.

        Args:
            image: (B, C, H, W), float32 in [0, 1]; see `output_size` for the sizes that work.

        Returns:
            Logits ``np`` (B, 2, h, w), distances ``hv`` (B, 2, h, w), horizontal then vertical,
            and, with classes, logits ``tp`` (B, 1 + classes, h, w).

        Raises:
            ValueError: If the image does not fit.
        """
        if image.ndim != 4 or image.shape[1] != self.in_channels:
            raise ValueError(
                f"expected an image (B, {self.in_channels}, H, W), got shape {tuple(image.shape)}"
            )
        height, width = image.shape[-2:]
        self.output_size(height, width)
        if isinstance(self.encoder, TimmEncoder):
            loss = _STEM_LOSS[self.mode]
            image = centre_crop(image, (height - loss, width - loss))
        *skips, deepest = self.encoder(image)
        d0, d1, d2 = (lateral(skip) for lateral, skip in zip(self.laterals, skips, strict=True))
        bottom = _double(self.conv_bot(deepest)) + d2
        return {name: decoder(bottom, d1, d0) for name, decoder in self.decoder.items()}

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Tell the output's height and width from the input's, pixels.

        Raises:
            ValueError: If the size does not work; the message names the next one that does.
        """
        fitting = tuple(self._next_size(length) for length in (height, width))
        if fitting != (height, width):
            raise ValueError(
                f"image of {height} x {width} px does not fit HoVer-Net in mode {self.mode!r}: "
                f"height and width less {_STEM_LOSS[self.mode]} must divide by {_STRIDE} and be "
                f"more than {self._decoder_loss}; pad or crop it, the next size that works is "
                f"{fitting[0]} x {fitting[1]}"
            )
        return height - 2 * self.margin, width - 2 * self.margin

    def freeze_encoder(self, how: Freeze) -> None:
        """Hold the encoder still, or let it learn again; may be called at any time.

        Args:
            how: ``none``: all learns. ``full``: the encoder does not learn and its batch norms keep
                their statistics, also after `train`. ``weights``: it does not learn, its batch
                norms go on collecting statistics. ``statistics``: it learns, and its batch norms
                keep their statistics. ``reference``: as in the first phase of the authors' code:
                while training, the first stage's units and all later stages run without autograd,
                and all batch norms go on collecting statistics. Of a timm encoder all of them
                concern what is timm's.

        Raises:
            ValueError: If ``how`` is none of these.
        """
        self.encoder.freeze(how)

    def _next_size(self, length: int) -> int:
        """Find the smallest length that works and is not smaller."""
        stem = _STEM_LOSS[self.mode]
        length = max(length, stem + self._decoder_loss + 1)
        return length + (stem - length) % _STRIDE


class _Decoder(nn.Module):
    def __init__(self, width: int, kernel: int, dense_units: tuple[int, int], out: int) -> None:
        super().__init__()
        self.u3 = _DenseUp(16 * width, 4 * width, 8 * width, kernel, dense_units[0], width)
        self.u2 = _DenseUp(8 * width, 2 * width, 4 * width, kernel, dense_units[1], width)
        self.u1 = nn.Conv2d(4 * width, width, kernel, padding=kernel // 2, bias=False)
        self.u0 = nn.ModuleDict({"bn": nn.BatchNorm2d(width), "conv": nn.Conv2d(width, out, 1)})

    def forward(self, bottom: Tensor, d1: Tensor, d0: Tensor) -> Tensor:
        x = _add_skip(self.u3(bottom), d1)
        x = _add_skip(self.u2(x), d0)
        x = functional.relu(self.u0["bn"](self.u1(x)), inplace=True)
        logits: Tensor = self.u0["conv"](x)
        return logits


class _DenseUp(nn.Module):
    """A valid convolution, a dense block and a 1x1 convolution to the channels of the next skip."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        kernel: int,
        units: int,
        width: int,
    ) -> None:
        super().__init__()
        self.conva = nn.Conv2d(in_channels, channels, kernel, bias=False)
        self.dense = DenseBlock(channels, 2 * width, width // 2, kernel, units)
        self.convf = nn.Conv2d(self.dense.out_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.convf(self.dense(self.conva(x)))
        return out


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _add_skip(x: Tensor, skip: Tensor) -> Tensor:
    x = _double(x)
    return x + centre_crop(skip, (x.shape[2], x.shape[3]))


def _check_arguments(
    classes: int, mode: str, encoder: str | None, width: int, pretrained: bool
) -> None:
    if mode not in _TILE:
        raise ValueError(f"mode {mode!r} is unknown; choose 'fast' or 'original'")
    if classes < 0:
        raise ValueError(f"classes is {classes}; give 0 for none, or the number without background")
    if width < 8 or width % 8:
        raise ValueError(
            f"width {width} does not fit; give a positive multiple of 8 (published: 64)"
        )
    if pretrained and encoder is None:
        raise ValueError(
            "pretrained_encoder needs a timm encoder; the published encoder starts from a file of "
            "ImageNet weights, see histoseg.weights.encoder_from_official"
        )
