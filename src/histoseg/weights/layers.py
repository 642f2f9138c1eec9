"""Renaming of a network's layers between two codes, with every key and shape checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.weights.unlike import unlike

State = dict[str, Tensor]
Shape = tuple[int, ...]
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_KEY = re.compile(
    r"^(.+?)\.(weight|bias|running_mean|running_var|num_batches_tracked"
    r"|parametrizations\.weight\.(?:original|0\._u|0\._v))$"
)
_WRAPPERS = ("module.", "_orig_mod.")


class Layer(NamedTuple):
    """A layer of ours that holds tensors.

    Attributes:
        name: What stands before the entry in our key.
        shapes: Shape of each entry.
    """

    name: str
    shapes: dict[str, Shape]


class Layout(Protocol):
    """Arguments of a network of ours that weights are for.

    Attributes:
        network: Name of its class in `networks`; ``vars(layout)`` are its arguments.
    """

    network: ClassVar[str]

    @property
    def inputs(self) -> int:
        """Channels of the input."""

    def parts(self) -> list[Layer]:
        """List the layers under our names."""

    def official(self) -> dict[str, str]:
        """Say what the official code calls each layer, in its order."""


class StoredNetwork(NamedTuple):
    """A network of a file.

    Attributes:
        layout: What to build: ``getattr(networks, layout.network)(**vars(layout))``.
        weights: State dict under our keys.
        has_statistics: Whether batch norms came with running statistics. TorchScript files of
            DeepLIIF have none; the weights then hold zeros and ones, and only
            `networks.blocks.tile_statistics` gives what the original gives.
    """

    layout: Layout
    weights: State
    has_statistics: bool = True


def conv(name: str, shape: Shape, bias: bool, norm: str, transposed: bool = False) -> Layer:
    """Describe a convolution.

    Args:
        name: Our name.
        shape: Of its weight.
        bias: Whether it has one.
        norm: ``spectral`` stores the weight with two vectors.
        transposed: Whether the second axis of the weight is that of the output.
    """
    out = shape[1 if transposed else 0]
    shapes: dict[str, Shape] = {"bias": (out,)} if bias else {}
    if norm != "spectral":
        return Layer(name, {"weight": shape} | shapes)
    inner = "parametrizations.weight"
    shapes |= {f"{inner}.original": shape, f"{inner}.0._u": (out,)}
    return Layer(name, shapes | {f"{inner}.0._v": (prod(shape) // out,)})


def norms(name: str, channels: int, norm: str) -> list[Layer]:
    """Describe the norm behind a convolution; only ``batch`` holds tensors."""
    entries: dict[str, Shape] = dict.fromkeys(
        ("weight", "bias", "running_mean", "running_var"), (channels,)
    )
    return [Layer(name, entries | {"num_batches_tracked": ()})] if norm == "batch" else []


def unwrapped(content: Mapping[str, Any], name: str) -> State:
    """Take the tensors out of what a file holds.

    Args:
        content: What was saved: a state dict, bare or under ``state_dict``; ``module.`` and
            ``_orig_mod.`` before every key are taken off.
        name: The file, for the message.

    Raises:
        CheckpointError: If there are no tensors by name.
    """
    state = content.get("state_dict", content)
    if not isinstance(state, Mapping) or not state or not _all_tensors(state):
        raise CheckpointError(
            f"{name} holds {str(list(content)[:3])[1:-1] or 'nothing'}, and not tensors by name; "
            "expected a state dict, bare or under 'state_dict'"
        )
    result = dict(state)
    while wrapper := next((w for w in _WRAPPERS if all(k.startswith(w) for k in result)), None):
        result = {key.removeprefix(wrapper): value for key, value in result.items()}
    return result


def to_ours(state: Mapping[str, Tensor], names: Mapping[str, str], what: str) -> State:
    """Rename keys into ours.

    Args:
        state: State dict of another code.
        names: That code's name of each layer of ours.
        what: The network, for the message.

    Raises:
        CheckpointError: If a key is not of the network.
    """
    ours = {official: name for name, official in names.items()}
    found = {key: _KEY.match(key) for key in state}
    strange = [key for key, match in found.items() if match is None or match[1] not in ours]
    if strange:
        raise CheckpointError(
            f"these look like the weights of {what}, but {len(strange)} of {len(state)} keys do "
            f"not belong to it, such as {', '.join(strange[:3])}"
        )
    return {f"{ours[m[1]]}.{m[2]}": state[key] for key, m in found.items() if m is not None}


def from_ours(stored: StoredNetwork, names: Mapping[str, str]) -> State:
    """Rename our keys into those of another code, in its order; the inverse of `to_ours`.

    Args:
        stored: A complete network.
        names: That code's name of each layer of ours.

    Raises:
        CheckpointError: If the weights do not fit their layout.
    """
    check(stored.layout, stored.weights)
    shapes = {layer.name: layer.shapes for layer in stored.layout.parts()}
    return {
        f"{official}.{entry}": stored.weights[f"{name}.{entry}"]
        for name, official in names.items()
        for entry in shapes.get(name, ())
    }


def completed(layout: Layout, weights: State) -> StoredNetwork:
    """Drop statistics that the network has no use for, add those that it lacks, and check.

    Files of before 2018 have no counters, and statistics of instance norms; TorchScript files of
    DeepLIIF have no statistics at all.

    Args:
        layout: What the weights seem to be for.
        weights: State dict under our keys.

    Raises:
        CheckpointError: If anything else is missing or of another shape.
    """
    shapes = _shapes(layout)
    kept = {k: v for k, v in weights.items() if k in shapes or not k.endswith(_STATISTICS)}
    batch = [key for key in shapes if key.endswith("running_mean")]
    bare = bool(batch) and not any(key in kept for key in batch)
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            kept.setdefault(key, torch.zeros((), dtype=torch.int64))
        elif bare and key.endswith(_STATISTICS):
            kept.setdefault(key, (torch.ones if key.endswith("var") else torch.zeros)(shape))
    check(layout, kept)
    return StoredNetwork(layout, {key: kept[key] for key in shapes}, not bare)


def check(layout: Layout, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not exactly those of a network.

    Raises:
        CheckpointError: If keys or shapes differ; the message names the first.
    """
    complaints = unlike(weights, _shapes(layout))
    if complaints:
        raise CheckpointError(
            f"the weights look like those of {described(layout)}, but of its keys are "
            f"{complaints}. Give the complete weights of one network"
        )


def described(layout: Layout) -> str:
    """Name a network with all its arguments."""
    return f"{layout.network}({', '.join(f'{k}={v!r}' for k, v in vars(layout).items())})"


def shape_of(state: Mapping[str, Tensor], name: str, what: str) -> Shape:
    """Tell the shape of a convolution's weight, also under a spectral norm.

    Args:
        state: A state dict.
        name: The layer.
        what: The network that it should be of, for the message.

    Raises:
        CheckpointError: If there is no such convolution.
    """
    if weight := _weight(state, name):
        return weight
    raise CheckpointError(
        f"these are not the weights of {what}: there is no convolution {name}.weight; keys that "
        f"came: {', '.join(sorted(state)[:3]) or 'none'}"
    )


def has_conv(state: Mapping[str, Tensor], name: str) -> bool:
    """Whether a layer is a convolution."""
    return bool(_weight(state, name))


def norm_of(state: Mapping[str, Tensor], conv_name: str, norm_name: str) -> str:
    """Tell the norm of a network from an inner convolution and what stands behind it."""
    if f"{conv_name}.parametrizations.weight.original" in state:
        return "spectral"
    if f"{norm_name}.weight" in state:
        return "batch"
    return "instance" if f"{conv_name}.bias" in state else "none"


def _weight(state: Mapping[str, Tensor], name: str) -> Shape:
    """Shape of a convolution's weight, empty if there is none."""
    for entry in ("weight", "parametrizations.weight.original"):
        value = state.get(f"{name}.{entry}")
        if value is not None and value.ndim == 4:
            return tuple(value.shape)
    return ()


def _all_tensors(state: Mapping[str, Any]) -> bool:
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())


def _shapes(layout: Layout) -> dict[str, Shape]:
    return {
        f"{layer.name}.{entry}": shape
        for layer in layout.parts()
        for entry, shape in layer.shapes.items()
    }
