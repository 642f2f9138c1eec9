"""ImPartial's U-Net in files of the original: read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.ops.weight_files import read_saved

_BLOCK = re.compile(
    r"^(?:(inc)|(down)_list\.(\d+)\.maxpool_conv\.1|(up)_list\.(\d+)\.conv)\.double_conv\.(\d+)\.(.+)$"
)
_HEAD = re.compile(r"^outc\.conv\.(?:0\.)?(weight|bias)$")
_OURS = re.compile(r"^(stem|down\.\d+|up\.\d+)\.(first|second)\.(conv|norm)\.(.+)$")
_UNITS = ("first", "second")
Weights = Mapping[str, Tensor]


def read_official(path: Path) -> dict[str, Tensor]:
    """Read weights of the original under our keys.

    Args:
        path: A file of ``torch.save``: a list that begins with the weights (``main_impartial.py``,
            ``train_impartial.py``), a dictionary with them under ``model`` (the server) or
            ``state_dict``, or the weights alone.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged, or of another network.
    """
    try:
        return from_official(_weights_in(read_saved(path)))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def from_official(state: Weights) -> dict[str, Tensor]:
    """Give the original's weights our keys.

    The place of a layer in the original's keys tells whether it was trained with dropout; ours are
    the same with and without.

    Args:
        state: By the original's key.

    Returns:
        By the key of `histoseg.networks.ImPartial`.

    Raises:
        CheckpointError: If a key is of no layer of this network.
    """
    blocks: dict[str, dict[int, dict[str, Tensor]]] = {}
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        block, head = _BLOCK.match(key), _HEAD.match(key)
        if head:
            ours[f"head.{head[1]}"] = value
        elif block:
            stem, down, d, up, u, place, rest = block.groups()
            name = "stem" if stem else f"{down or up}.{d or u}"
            blocks.setdefault(name, {}).setdefault(int(place), {})[rest] = value
        else:
            raise CheckpointError(
                f"there is no {key!r} in a U-Net of ImPartial: its keys begin with inc, down_list, "
                "up_list and outc"
            )
    for name, layers in blocks.items():
        ours |= {f"{name}.{key}": value for key, value in _units(name, layers).items()}
    return ours


def to_official(weights: Weights, *, dropout: bool = True) -> dict[str, Tensor]:
    """Give our weights the keys of the original; inverse of `from_official`.

    Args:
        weights: By the key of `histoseg.networks.ImPartial`.
        dropout: Whether the original is to build its network with dropout (``mcdrop``).

    Returns:
        By the original's key.
    """
    norm = int(any(".norm." in key for key in weights))
    found = {}
    for key, value in weights.items():
        match = _OURS.match(key)
        if match is None:
            found[key.replace("head", "outc.conv")] = value
            continue
        part, unit, layer, rest = match.groups()
        drop = int(dropout and part != "stem")  # the first block never has any
        place = _UNITS.index(unit) * (2 + drop + norm) + (1 + drop) * (layer == "norm")
        kind, _, number = part.partition(".")
        block = {
            "stem": "inc",
            "down": f"down_list.{number}.maxpool_conv.1",
            "up": f"up_list.{number}.conv",
        }[kind]
        found[f"{block}.double_conv.{place}.{rest}"] = value
    return found


def write_official(file: Path | BinaryIO, weights: Weights, *, dropout: bool = True) -> None:
    """Write a file as ``main_impartial.py`` saves and loads it: a list of the weights.

    Args:
        file: Where; replaced if it is there.
        weights: As in `to_official`.
        dropout: As in `to_official`.
    """
    state = to_official(weights, dropout=dropout)
    torch.save([{key: value.detach().cpu().contiguous() for key, value in state.items()}], file)


def _weights_in(content: Any) -> dict[str, Tensor]:
    """The weights in any of the containers."""
    if isinstance(content, list | tuple) and content:
        content = content[0]
    for name in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(
            f"expected weights, a list of them, or a dictionary with 'model', got "
            f"{type(content).__name__}"
        )
    return content


def _units(name: str, layers: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The two convolutions of a block and their norms, each of which follows its convolution."""
    convs = sorted(place for place, layer in layers.items() if _is_conv(layer))
    if len(convs) != len(_UNITS):
        raise CheckpointError(f"block {name} has {len(convs)} convolutions; expected 2")
    found: dict[str, Tensor] = {}
    for place, layer in layers.items():
        unit = _UNITS[int(place >= convs[1])]
        kind = "conv" if place in convs else "norm"
        found |= {f"{unit}.{kind}.{rest}": value for rest, value in layer.items()}
    return found


def _is_conv(layer: Mapping[str, Tensor]) -> bool:
    return "weight" in layer and layer["weight"].ndim == 4
