"""What keys and shapes our `networks.UNetGenerator` and `AttentionUNet` have, and official ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

_LEAST = 5  # levels of the official code
_ATTENTION_DEPTH = 8


@dataclass(frozen=True)
class UNetLayout:
    """Arguments of `networks.UNetGenerator`; see there.

    No key tells of dropout; where a file was read it is the published one.
    """

    network: ClassVar[str] = "UNetGenerator"
    inputs: int = 3
    outputs: int = 3
    width: int = 64
    depth: int = 9
    norm: str = "batch"
    dropout: float = 0.5

    def parts(self) -> list[Layer]:
        """List the layers under our names."""
        widths = _widths(self.width, self.depth)
        bias, norm, last = self.norm == "instance", self.norm, self.depth - 1
        found = []
        for level, out in enumerate(widths):
            given = widths[level - 1] if level else self.inputs
            found.append(conv(f"down.{level}.conv", (out, given, 4, 4), bias, norm))
            found += norms(f"down.{level}.norm", out, norm) if 0 < level < last else []
        for level, width in enumerate(widths):
            out = widths[level - 1] if level else self.outputs
            shape = (width * (1 if level == last else 2), out, 4, 4)
            found.append(conv(f"up.{level}.conv", shape, bias or not level, norm, transposed=True))
            found += norms(f"up.{level}.norm", out, norm) if level else []
        return found

    def official(self) -> dict[str, str]:
        """Say what junyanz's code and DeepLIIF call each layer, in their order: levels nest.

        Raises:
            CheckpointError: If neither can build the network.
        """
        if self.depth < _LEAST or self.norm == "spectral":
            raise CheckpointError(
                f"the official code has no U-Net of {self.depth} halvings with norm={self.norm!r}; "
                f"it has {_LEAST} or more, and 'batch', 'instance' or 'none'"
            )
        down, up = {"down.0.conv": "model.model.0"}, {"up.0.conv": "model.model.3"}
        for level in range(1, self.depth):
            outside = ".".join(["model.model.1", *["model.3"] * (level - 1), "model"])
            innermost = level == self.depth - 1
            down[f"down.{level}.conv"] = f"{outside}.1"
            if not innermost:
                down[f"down.{level}.norm"] = f"{outside}.2"
            at = 3 if innermost else 5
            inner = {
                f"up.{level}.conv": f"{outside}.{at}",
                f"up.{level}.norm": f"{outside}.{at + 1}",
            }
            up = inner | up
        return down | up


def unet_from_official(state: Mapping[str, Tensor]) -> StoredNetwork:
    """Take the weights of a U-Net of junyanz's code or DeepLIIF.

    Args:
        state: State dict under the official keys.

    Raises:
        CheckpointError: If keys or shapes are not those of a U-Net.
    """
    depth, outside = 1, "model.model.1.model"
    while has_conv(state, f"{outside}.1"):
        depth, outside = depth + 1, f"{outside}.3.model"
    if depth < _LEAST:
        raise CheckpointError(
            f"these are not the weights of a U-Net: there are {depth} levels, expected {_LEAST} or "
            "more"
        )
    weights = to_ours(state, UNetLayout(depth=depth).official(), "a UNetGenerator")
    return completed(unet_of(weights), weights)


def unet_of(weights: Mapping[str, Tensor], dropout: float = 0.5) -> UNetLayout:
    """Measure which network weights under our keys are for.

    Args:
        weights: State dict under our keys.
        dropout: What they do not tell.

    Raises:
        CheckpointError: If they are not those of a U-Net.
    """
    what = "a UNetGenerator"
    width, inputs = shape_of(weights, "down.0.conv", what)[:2]
    return UNetLayout(
        inputs=inputs,
        outputs=shape_of(weights, "up.0.conv", what)[1],
        width=width,
        depth=len({key.split(".")[1] for key in weights if key.startswith("down.")}),
        norm=norm_of(weights, "down.1.conv", "up.1.norm"),
        dropout=dropout,
    )


@dataclass(frozen=True)
class AttentionUNetLayout:
    """Arguments of `networks.AttentionUNet`; see there."""

    network: ClassVar[str] = "AttentionUNet"
    inputs: int = 3
    outputs: int = 3
    width: int = 64
    depth: int = _ATTENTION_DEPTH

    def parts(self) -> list[Layer]:
        """List the layers under our names."""
        widths, last = _widths(self.width, self.depth), self.depth - 1
        found = []
        for level, out in enumerate(widths):
            given = widths[level - 1] if level else self.inputs
            found.append(conv(f"down.{level}.conv", (out, given, 4, 4), True, "batch"))
            found += norms(f"down.{level}.norm", out, "batch") if 0 < level < last else []
        for level, width in enumerate(widths):
            out = widths[level - 1] if level else self.outputs
            shape = (width * (1 if level == last else 2), out, 4, 4)
            found.append(conv(f"up.{level}.conv", shape, not level, "batch", transposed=True))
            found += norms(f"up.{level}.norm", out, "batch") if level else []
        for level in range(1, self.depth):
            found += self._gate(f"gates.{level}", widths[level - 1])
        return found

    def official(self) -> dict[str, str]:
        """Say what DeepLIIF calls each layer, in its order.

        Raises:
            CheckpointError: If it cannot build the network.
        """
        if self.depth != _ATTENTION_DEPTH or self.width != 64:
            raise CheckpointError(
                f"DeepLIIF has no attention U-Net of width {self.width} with {self.depth} "
                f"halvings; it has 64 and {_ATTENTION_DEPTH}"
            )
        names: dict[str, str] = {}
        for level in range(self.depth):
            names |= _numbered(f"down.{level}", f"Conv{level + 1}.conv")
        for level in reversed(range(self.depth)):
            names |= _numbered(f"up.{level}", f"Up{level + 1}.up")
            for part, official in (("below", "W_g"), ("skip", "W_x"), ("weight", "psi")):
                if level:
                    names |= _numbered(f"gates.{level}.{part}", f"Att{level + 1}.{official}")
        return names

    def _gate(self, name: str, skip: int) -> list[Layer]:
        inner = skip if skip == 8 * self.width else skip // 2
        found = []
        for part, out, given in (
            ("below", inner, skip),
            ("skip", inner, skip),
            ("weight", 1, inner),
        ):
            found.append(conv(f"{name}.{part}.conv", (out, given, 1, 1), True, "batch"))
            found += norms(f"{name}.{part}.norm", out, "batch")
        return found


def attention_from_official(state: Mapping[str, Tensor]) -> StoredNetwork:
    """Take the weights of DeepLIIF's attention U-Net.

    Args:
        state: State dict under the official keys.

    Raises:
        CheckpointError: If keys or shapes are not those of that network.
    """
    weights = to_ours(state, AttentionUNetLayout().official(), "an AttentionUNet")
    inputs = shape_of(weights, "down.0.conv", "an AttentionUNet")[1]
    outputs = shape_of(weights, "up.0.conv", "an AttentionUNet")[1]
    return completed(AttentionUNetLayout(inputs, outputs), weights)


def _numbered(ours: str, official: str) -> dict[str, str]:
    return {f"{ours}.conv": f"{official}.0", f"{ours}.norm": f"{official}.1"}


def _widths(width: int, depth: int) -> list[int]:
    return [width * min(2**level, 8) for level in range(depth)]
