"""What keys and shapes a `networks.ResnetGenerator` has, in our code and in the official ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

_WHAT = "a ResnetGenerator"
_FIRST_BLOCK = 10
_BLOCK = re.compile(r"^model\.(\d+)\.conv_block\.(\d+)\.")
_FORMS = {  # where a block has its convolutions: padding, dropout
    (0, 4): ("zero", 0.5),
    (0, 3): ("zero", 0.0),
    (1, 6): ("reflect", 0.5),
    (1, 5): ("reflect", 0.0),
}
_UP = {"convtranspose": (0, 1, 3), "resize_conv": (2, 3, 5)}  # convolution, norm, length


@dataclass(frozen=True)
class ResnetLayout:
    """Arguments of `networks.ResnetGenerator`; see there.

    Keys tell whether there is dropout, not how much: 0.5 where a file was read. ``reflect`` stands
    for ``replicate`` too there: their keys are the same.
    """

    network: ClassVar[str] = "ResnetGenerator"
    inputs: int = 3
    outputs: int = 3
    width: int = 64
    blocks: int = 9
    norm: str = "batch"
    padding: str = "zero"
    dropout: float = 0.5
    upsampling: str = "convtranspose"
    stem_norm: bool = True
    down_padding: str = "zero"

    def parts(self) -> list[Layer]:
        """List the layers under our names."""
        w, bias, norm = self.width, self.norm == "instance", self.norm
        found = [conv("stem.conv", (w, self.inputs, 7, 7), bias, norm)]
        found += norms("stem.norm", w, norm) if self.stem_norm else []
        for i, given in enumerate((w, 2 * w)):
            found.append(conv(f"down.{i}.conv", (2 * given, given, 3, 3), bias, norm))
            found += norms(f"down.{i}.norm", 2 * given, norm)
        for i in range(self.blocks):
            for part in ("first", "second"):
                name = f"blocks.{i}.{part}"
                found.append(conv(f"{name}.conv", (4 * w, 4 * w, 3, 3), bias, norm))
                found += norms(f"{name}.norm", 4 * w, norm)
        for i, given in enumerate((4 * w, 2 * w)):
            found.append(self._double(f"up.{i}.conv", given))
            found += norms(f"up.{i}.norm", given // 2, norm)
        return [*found, conv("head", (self.outputs, w, 7, 7), True, norm)]

    def official(self) -> dict[str, str]:
        """Say what junyanz's code and DeepLIIF call each layer.

        Raises:
            CheckpointError: If neither can build the network.
        """
        if not self.stem_norm or self.down_padding != "zero" or self.upsampling not in _UP:
            raise CheckpointError(
                f"the official code has no ResnetGenerator with stem_norm={self.stem_norm}, "
                f"down_padding={self.down_padding!r} and upsampling={self.upsampling!r}; it has "
                f"True, 'zero' and one of {tuple(_UP)}"
            )
        names = {"stem.conv": "model.1", "stem.norm": "model.2"}
        for i in range(2):
            names |= _pair(f"down.{i}", f"model.{4 + 3 * i}", f"model.{5 + 3 * i}")
        padded = 0 if self.padding == "zero" else 1  # a padding layer stands before
        second = padded + 3 + bool(self.dropout) + padded
        for i in range(self.blocks):
            block = f"model.{_FIRST_BLOCK + i}.conv_block"
            for part, at in (("first", padded), ("second", second)):
                names |= _pair(f"blocks.{i}.{part}", f"{block}.{at}", f"{block}.{at + 1}")
        at = _FIRST_BLOCK + self.blocks
        to_conv, to_norm, length = _UP[self.upsampling]
        for i in range(2):
            names |= _pair(f"up.{i}", f"model.{at + to_conv}", f"model.{at + to_norm}")
            at += length
        return names | {"head": f"model.{at + 1}"}

    def _double(self, name: str, given: int) -> Layer:
        out = given // 2
        if self.upsampling == "convtranspose":
            bias = self.norm == "instance"
            return conv(name, (given, out, 3, 3), bias, self.norm, transposed=True)
        out *= 4 if self.upsampling == "pixel_shuffle" else 1
        return conv(name, (out, given, 3, 3), True, self.norm)


def resnet_from_official(state: Mapping[str, Tensor]) -> StoredNetwork:
    """Take the weights of a ResNet generator of junyanz's code or DeepLIIF.

    Args:
        state: State dict under the official keys.

    Raises:
        CheckpointError: If keys or shapes are not those of a ResNet generator.
    """
    form = _form(state)
    weights = to_ours(state, form.official(), _WHAT)
    return completed(resnet_of(weights, form), weights)


def resnet_of(weights: Mapping[str, Tensor], form: ResnetLayout) -> ResnetLayout:
    """Measure which network weights under our keys are for.

    Args:
        weights: State dict under our keys.
        form: Gives what the weights do not tell: padding, dropout, upsampling, the norm behind the
            first convolution; the rest is measured.

    Raises:
        CheckpointError: If they are not those of a ResNet generator.
    """
    width, inputs = shape_of(weights, "stem.conv", _WHAT)[:2]
    blocks = {key.split(".")[1] for key in weights if key.startswith("blocks.")}
    return replace(
        form,
        inputs=inputs,
        outputs=shape_of(weights, "head", _WHAT)[0],
        width=width,
        blocks=len(blocks),
        norm=norm_of(weights, "down.0.conv", "down.0.norm"),
    )


def _form(state: Mapping[str, Tensor]) -> ResnetLayout:
    """Read off the numbering of official keys what moves it."""
    found = [match for key in state if (match := _BLOCK.match(key))]
    blocks = len({match[1] for match in found})
    inner = {int(match[2]) for match in found if int(match[1]) == _FIRST_BLOCK}
    at = tuple(i for i in sorted(inner) if has_conv(state, f"model.10.conv_block.{i}"))
    if at not in _FORMS:
        raise CheckpointError(
            f"these are not the weights of {_WHAT}: the convolutions of model.10.conv_block are at "
            f"{at}; expected one of {', '.join(map(str, _FORMS))}"
        )
    padding, dropout = _FORMS[at]
    resized = not has_conv(state, f"model.{_FIRST_BLOCK + blocks}")
    return ResnetLayout(
        blocks=blocks,
        padding=padding,
        dropout=dropout,
        upsampling="resize_conv" if resized else "convtranspose",
    )


def _pair(ours: str, to_conv: str, to_norm: str) -> dict[str, str]:
    return {f"{ours}.conv": to_conv, f"{ours}.norm": to_norm}
