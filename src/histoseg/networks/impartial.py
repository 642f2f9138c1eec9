"""ImPartial's U-Net: mixture components and their means, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histoseg.networks.blocks.dropout import check_share, dropped, random_keep


class Drop(Protocol):
    """How elements are dropped in one run of the layers."""

    factor: float
    """Of the weights, so that the mean stays."""

    def __call__(self, x: Tensor) -> Tensor:
        """Of the result (G * B, C, H, W) of a convolution, what stays: (G, B or 1, C, H, W)."""


class ImPartial(nn.Module):
    """A U-Net with dropout after every convolution but those of the first level.

    In training mode dropout is on, independently for each element. In eval mode `forward` drops
    nothing, and `samples` gives stochastic passes.

    Args:
        inputs: Channels of the image.
        outputs: Channels of the result.
        width: Channels of the first level; doubled at each of the next but the last.
        depth: Number of halvings.
        activation: After each convolution.
        batch_norm: Whether there are batch norms, between dropout and activation.
        dropout: Share of elements that dropout takes; 0 for none.

    Attributes:
        least: Smallest height and width of an image, px.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        nadeemlab/ImPartial ``Unet.py``; weights by `histoseg.weights.impartial`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 64,
        depth: int = 4,
        activation: Literal["relu", "elu"] = "relu",
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if min(inputs, outputs, width, depth) < 1 or activation not in ("relu", "elu"):
            raise ValueError(
                f"inputs {inputs}, outputs {outputs}, width {width} and depth {depth} must be 1 or "
                f"more, and activation {activation!r} 'relu' or 'elu'"
            )
        check_share(dropout)
        self.inputs, self.outputs, self.dropout, self.least = inputs, outputs, dropout, 2**depth
        relu = activation == "relu"
        widths = [width * 2 ** min(level, depth - 1) for level in range(depth + 1)]
        self.stem = _Double(inputs, width, width, relu, batch_norm)
        self.down = nn.ModuleList(
            _Double(above, here, here, relu, batch_norm) for above, here in pairwise(widths)
        )
        self.up = nn.ModuleList(
            _Double(2 * widths[k], widths[k], widths[max(k - 1, 0)], relu, batch_norm)
            for k in reversed(range(depth))
        )
        self.head = nn.Conv2d(width, outputs, 1)

    @override
    def forward(self, image: Tensor) -> Tensor:
        """Run the network once.

        Args:
            image: (B, inputs, H, W), float32; height and width at least ``least``.

        Returns:
            (B, outputs, H, W), without activations.

        Raises:
            ValueError: If the image does not fit.
        """
        self._check(image)
        drop = _Each(self.dropout) if self.training and self.dropout else None
        top: Tensor = self.stem(image)
        x = self._raised(self.down[0](_pooled(top), drop), top, drop)
        return self._headed(self.up[-1](torch.cat([top, x], dim=1), drop))

    def samples(
        self, image: Tensor, passes: int, *, seed: int = 0, at_once: int = 4
    ) -> Iterator[Tensor]:
        """Run the network several times with dropout.

        What a pass drops depends on the seed, its number and the size of the image, not on the
        images beside it nor on what was drawn before. Batch norms use their statistics of eval
        mode. What all passes have in common is computed once.

        Args:
            image: As in `forward`.
            passes: How many.
            seed: Another seed drops otherwise.
            at_once: Passes in one call of the layers.

        Yields:
            (n, B, outputs, H, W) of the next n passes.

        Raises:
            ValueError: If the image does not fit, or the network has no dropout.
        """
        self._check(image)
        if not self.dropout:
            raise ValueError("the network has no dropout: give it some, or take passes=0")
        each = _Each(self.dropout)
        below, last = cast(_Double, self.down[0]), cast(_Double, self.up[-1]).first
        top: Tensor = self.stem(image)
        first = below.first.convolved(_pooled(top), each)
        skip = functional.conv2d(top, last.halves(each)[0], padding=1)
        for start in range(0, passes, at_once):
            some = range(start, min(start + at_once, passes))
            drop = _Passes(self.dropout, some, seed, image.device)
            x = below.first.finished(first.repeat(len(some), 1, 1, 1), drop)
            raw = self._raw(self._raised(below.second(x, drop), top, drop), skip, drop)
            yield raw.view(len(some), len(image), *raw.shape[1:])

    def _raised(self, x: Tensor, top: Tensor, drop: Drop | None) -> Tensor:
        """From the first level below the top down, and up to the size of the top."""
        skips = []
        for down in self.down[1:]:
            skips.append(x)
            x = down(_pooled(x), drop)
        for up in self.up[:-1]:
            across = skips.pop()
            x = up(torch.cat([across, _enlarged(x, across)], dim=1), drop)
        return _enlarged(x, top)

    def _raw(self, x: Tensor, skip: Tensor, drop: Drop) -> Tensor:
        """The last level: x of several passes, and what its convolution made of the top of one."""
        last = cast(_Double, self.up[-1])
        weight, bias = last.first.halves(drop)[1], last.first.bias(drop)
        x = functional.conv2d(x, weight, bias, padding=1)
        x.view(-1, *skip.shape).add_(skip)
        return self._headed(last.second(last.first.finished(x, drop), drop))

    def _headed(self, x: Tensor) -> Tensor:
        """The last convolution, of single pixels, as a product: its backward pass is faster."""
        pixels, weight = x.permute(0, 2, 3, 1), self.head.weight.flatten(1)
        return functional.linear(pixels, weight, self.head.bias).permute(0, 3, 1, 2)

    def _check(self, image: Tensor) -> None:
        if image.ndim != 4 or image.shape[1] != self.inputs or min(image.shape[2:]) < self.least:
            raise ValueError(
                f"the network takes images (B, {self.inputs}, H, W) of at least {self.least} px, "
                f"got {tuple(image.shape)}: choose other channels, or data with as many"
            )


class _Unit(nn.Module):
    """Convolution, dropout, batch norm, activation."""

    conv: nn.Conv2d

    def __init__(self, inputs: int, outputs: int, relu: bool, batch_norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs) if batch_norm else None
        self.relu = relu

    @override
    def forward(self, x: Tensor, drop: Drop | None = None) -> Tensor:
        return self.finished(self.convolved(x, drop), drop)

    def convolved(self, x: Tensor, drop: Drop | None) -> Tensor:
        if drop is None:
            return self.conv(x)  # type: ignore[no-any-return]
        weight = self.conv.weight * drop.factor
        return functional.conv2d(x, weight, self.bias(drop), padding=1)

    def bias(self, drop: Drop) -> Tensor:
        assert self.conv.bias is not None
        return self.conv.bias * drop.factor

    def halves(self, drop: Drop) -> tuple[Tensor, Tensor]:
        """Weights of the first and of the second half of the channels."""
        above, below = (self.conv.weight * drop.factor).chunk(2, dim=1)
        return above, below

    def finished(self, x: Tensor, drop: Drop | None) -> Tensor:
        """What follows the convolution; in place."""
        fused = self.relu and self.norm is None
        if drop is not None:
            x = dropped(x, drop(x), relu=fused)
            if fused:
                return x
        if self.norm is not None:
            x = self.norm(x)
        return x.relu_() if self.relu else functional.elu_(x)


class _Double(nn.Module):
    """Two units."""

    first: _Unit
    second: _Unit

    def __init__(self, inputs: int, inner: int, outputs: int, relu: bool, batch_norm: bool) -> None:
        super().__init__()
        self.first = _Unit(inputs, inner, relu, batch_norm)
        self.second = _Unit(inner, outputs, relu, batch_norm)

    @override
    def forward(self, x: Tensor, drop: Drop | None = None) -> Tensor:
        x = self.first(x, drop)
        return self.second(x, drop)  # type: ignore[no-any-return]


class _Each:
    """Each element by itself, from torch's own generator."""

    def __init__(self, p: float) -> None:
        self.p, self.factor = p, 1 / (1 - p)

    def __call__(self, x: Tensor) -> Tensor:
        return random_keep(x.shape, self.p, x.device)


class _Passes:
    """Each pass from a generator of its own, alike in all images of a batch."""

    def __init__(self, p: float, passes: range, seed: int, device: torch.device) -> None:
        self.p, self.factor = p, 1 / (1 - p)
        self.generators = [torch.Generator(device) for _ in passes]
        for number, generator in zip(passes, self.generators, strict=True):
            generator.manual_seed(seed * 2**20 + number)

    def __call__(self, x: Tensor) -> Tensor:
        return random_keep((1, *x.shape[1:]), self.p, x.device, self.generators)


def _pooled(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2)


def _enlarged(x: Tensor, across: Tensor) -> Tensor:
    """Twice as large, with zeros around it up to the size of what stands across."""
    x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    down, right = across.shape[2] - x.shape[2], across.shape[3] - x.shape[3]
    if not (down or right):
        return x
    return functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
