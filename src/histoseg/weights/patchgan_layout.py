"""What keys and shapes our `networks.PatchGAN` and `PixelGAN` have, and the official ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.weights.layers import (
    Layer,
    StoredNetwork,
    completed,
    conv,
    has_conv,
    norm_of,
    norms,
    shape_of,
    to_ours,
)

_PATCH, _PIXEL = "a PatchGAN", "a PixelGAN"


@dataclass(frozen=True)
class PatchGANLayout:
    """Arguments of `networks.PatchGAN`; see there."""

    network: ClassVar[str] = "PatchGAN"
    inputs: int = 3
    width: int = 64
    layers: int = 3
    norm: str = "batch"
    padding: str = "zero"
    sigmoid: bool = False

    def parts(self) -> list[Layer]:
        """List the layers under our names."""
        widths = [self.width * min(2**layer, 8) for layer in range(self.layers + 1)]
        bias, norm = self.norm == "instance", self.norm
        found = [conv("layers.0.conv", (self.width, self.inputs, 4, 4), True, norm)]
        for layer, (given, out) in enumerate(pairwise(widths), start=1):
            found.append(conv(f"layers.{layer}.conv", (out, given, 4, 4), bias, norm))
            found += norms(f"layers.{layer}.norm", out, norm)
        return [*found, conv("head", (1, widths[-1], 4, 4), True, norm)]

    def official(self) -> dict[str, str]:
        """Say what junyanz's code and DeepLIIF call each layer.

        Raises:
            CheckpointError: If neither can build the network.
        """
        if self.padding != "zero" or self.sigmoid:
            raise CheckpointError(
                f"the official code has no PatchGAN with padding={self.padding!r} and "
                f"sigmoid={self.sigmoid}; it has 'zero' and False"
            )
        names = {"layers.0.conv": "model.0"}
        for layer in range(1, self.layers + 1):
            names[f"layers.{layer}.conv"] = f"model.{3 * layer - 1}"
            names[f"layers.{layer}.norm"] = f"model.{3 * layer}"
        return names | {"head": f"model.{3 * self.layers + 2}"}


def patchgan_from_official(state: Mapping[str, Tensor]) -> StoredNetwork:
    """Take the weights of a PatchGAN of junyanz's code or DeepLIIF.

    Args:
        state: State dict under the official keys.

    Raises:
        CheckpointError: If keys or shapes are not those of a PatchGAN.
    """
    layers = 0
    while has_conv(state, f"model.{3 * (layers + 1) + 2}"):
        layers += 1
    form = PatchGANLayout(layers=layers)
    weights = to_ours(state, form.official(), _PATCH)
    return completed(patchgan_of(weights, form), weights)


def patchgan_of(weights: Mapping[str, Tensor], form: PatchGANLayout) -> PatchGANLayout:
    """Measure which network weights under our keys are for.

    Args:
        weights: State dict under our keys.
        form: Gives what the weights do not tell: padding and sigmoid; the rest is measured.

    Raises:
        CheckpointError: If they are not those of a PatchGAN.
    """
    width, inputs = shape_of(weights, "layers.0.conv", _PATCH)[:2]
    return replace(
        form,
        inputs=inputs,
        width=width,
        layers=len({key.split(".")[1] for key in weights if key.startswith("layers.")}) - 1,
        norm=norm_of(weights, "layers.1.conv", "layers.1.norm"),
    )


@dataclass(frozen=True)
class PixelGANLayout:
    """Arguments of `networks.PixelGAN`; see there."""

    network: ClassVar[str] = "PixelGAN"
    inputs: int = 3
    width: int = 64
    norm: str = "batch"

    def parts(self) -> list[Layer]:
        """List the layers under our names."""
        w, bias, norm = self.width, self.norm == "instance", self.norm
        return [
            conv("layers.0.conv", (w, self.inputs, 1, 1), True, norm),
            conv("layers.1.conv", (2 * w, w, 1, 1), bias, norm),
            *norms("layers.1.norm", 2 * w, norm),
            conv("head", (1, 2 * w, 1, 1), bias, norm),
        ]

    def official(self) -> dict[str, str]:
        """Say what junyanz's code and DeepLIIF call each layer.

        Raises:
            CheckpointError: If neither can build the network.
        """
        if self.norm == "spectral":
            raise CheckpointError("the official code has no PixelGAN with a spectral norm")
        names = {"layers.0.conv": "net.0", "layers.1.conv": "net.2", "layers.1.norm": "net.3"}
        return names | {"head": "net.5"}


def pixelgan_from_official(state: Mapping[str, Tensor]) -> StoredNetwork:
    """Take the weights of a PixelGAN of junyanz's code or DeepLIIF.

    Args:
        state: State dict under the official keys.

    Raises:
        CheckpointError: If keys or shapes are not those of a PixelGAN.
    """
    weights = to_ours(state, PixelGANLayout().official(), _PIXEL)
    return completed(pixelgan_of(weights), weights)


def pixelgan_of(weights: Mapping[str, Tensor]) -> PixelGANLayout:
    """Measure which network weights under our keys are for.

    Raises:
        CheckpointError: If they are not those of a PixelGAN.
    """
    width, inputs = shape_of(weights, "layers.0.conv", _PIXEL)[:2]
    return PixelGANLayout(inputs, width, norm_of(weights, "layers.1.conv", "layers.1.norm"))
