"""fastai 1's files of a "Dynamic U-Net" on a ResNet, read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.ops.weight_files import read_checkpoint
from histoseg.weights.layers import unwrapped
from histoseg.weights.unlike import unlike

State = dict[str, Tensor]
_COLOURS = 3
_OTHER_FASTAI = re.compile(r"^layers\.\d+\.(shuf\.0|conv1\.0\.0|conv_layers)\.")
# of an encoder, whose layers torchvision and timm name alike
_STAGES = {"0": "conv1", "1": "bn1", **{str(3 + i): f"layer{i}" for i in (1, 2, 3, 4)}}
_PARTS = {"shuf": "shuffle", "bn": "norm", "conv1": "conv1", "conv2": "conv2"}
_SPECTRAL = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}


def read_fastai(path: Path) -> State:
    """Read the weights in a file of ``learn.save``, or of an encoder alone.

    Args:
        path: The file. ``learn.export`` writes pickled objects, which are not run: refused.

    Returns:
        State dict as it is stored, for `from_fastai`, or for `encoder_weights` where no key starts
        with ``layers.``.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged or holds anything but weights by name.
    """
    content = read_checkpoint(path)
    inner = content.get("model", content)
    return unwrapped(inner if isinstance(inner, Mapping) else content, str(path))


def from_fastai(state: Mapping[str, Tensor]) -> State:
    """Translate the weights of a whole network into ours.

    Args:
        state: From `read_fastai`.

    Returns:
        State dict of `networks.PixelShuffleUNet`; tensors are not copied.

    Raises:
        CheckpointError: If keys are not those of fastai 1 on a ResNet with basic blocks.
    """
    if other := [key for key in state if _OTHER_FASTAI.match(key)]:
        raise CheckpointError(
            f"keys such as {other[0]} are of fastai 2, whose network differs; expected a file that "
            "fastai 1 wrote by learn.save, with keys such as layers.4.shuf.conv.0.weight"
        )
    names = _layers(state)
    found = {key: _ours(key, names) for key in state}
    strange = [key for key, ours in found.items() if ours is None]
    if strange:
        raise CheckpointError(
            f"{len(strange)} of {len(state)} keys are not of a Dynamic U-Net of fastai 1 "
            f"({', '.join(strange[:3])}); expected keys such as layers.4.shuf.conv.0.weight"
        )
    return {ours: state[key] for key, ours in found.items() if ours is not None}


def to_fastai(weights: Mapping[str, Tensor]) -> State:
    """Translate our weights into fastai 1's, in its order; the inverse of `from_fastai`.

    ``torch.save({"model": to_fastai(weights)}, path)`` is what ``learn.load`` takes.

    Args:
        weights: State dict of `networks.PixelShuffleUNet` with an encoder named as a ResNet.

    Raises:
        CheckpointError: If the encoder is another.
    """
    stages = {ours: theirs for theirs, ours in _STAGES.items()}
    foreign = [
        key for key in weights if key.startswith("encoder.") and key.split(".")[1] not in stages
    ]
    if foreign or "encoder.conv1.weight" not in weights:  # some have a stem of three layers
        first = next(iter([*foreign, *weights]))
        raise CheckpointError(
            f"fastai's file holds a ResNet as torchvision has it, and this encoder has {first}: "
            "train with model.network.encoder=resnet34 (or resnet18, resnet50) for it"
        )
    count = len({key.split(".")[1] for key in weights if key.startswith("blocks.")})
    cross = any(key.startswith("cross.") for key in weights)
    parts = {ours: theirs for theirs, ours in _PARTS.items()}
    after = 4 + count
    places = {"bridge_norm": "1", "bridge": "3", "last_shuffle": str(after)}
    places |= {"cross": f"{after + 2}.layers", "head": f"{after + 3 if cross else after + 1}.0"}

    def theirs(key: str) -> str:
        first, second, *rest = key.split(".")
        if first == "encoder":
            return ".".join(["layers.0", stages[second], *rest])
        if first == "blocks":
            return _old_spectral(".".join([f"layers.{4 + int(second)}", parts[rest[0]], *rest[1:]]))
        return ".".join([f"layers.{places[first]}", second, *rest])

    return {theirs(key): value for key, value in weights.items()}


def encoder_weights(
    state: Mapping[str, Tensor], fresh: Mapping[str, Tensor], in_channels: int
) -> State:
    """Fit weights of an ImageNet encoder, as torchvision and timm name them, to ours.

    A first convolution of three channels is adapted as timm does: the sum over them for one
    channel, else repeated and scaled by 3 / channels.

    Args:
        state: State dict with its head (``fc.``), which is left out, or without.
        fresh: State dict of the network.
        in_channels: Channels that the network takes.

    Returns:
        ``fresh`` with the encoder's entries replaced.

    Raises:
        CheckpointError: If it is another encoder.
    """
    own = {k.removeprefix("encoder."): v for k, v in fresh.items() if k.startswith("encoder.")}
    found = {k: v for k, v in state.items() if not k.startswith(("fc.", "head.", "classifier."))}
    first = next(iter(own))
    if first in found and own[first].shape[1] == in_channels != found[first].shape[1] == _COLOURS:
        found[first] = _adapted(found[first], in_channels)
    if problem := unlike(found, {k: tuple(v.shape) for k, v in own.items()}):
        raise CheckpointError(
            f"these are not the weights of this encoder: {problem}. Expected a state dict of "
            "torchvision's or timm's encoder of the name in model.network.encoder"
        )
    return dict(fresh) | {f"encoder.{key}": value for key, value in found.items()}


def check_fits(weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not exactly those of a network.

    Args:
        weights: Under our keys.
        fresh: State dict of the network.
        path: The file, for the message.

    Raises:
        CheckpointError: If keys or shapes differ; says how.
    """
    if problem := unlike(weights, {k: tuple(v.shape) for k, v in fresh.items()}):
        raise CheckpointError(
            f"{path} holds a pixel-shuffle U-Net with other settings: {problem}. Set those of "
            "model.network (encoder, self_attention, last_cross, bottle, norm) as it was trained"
        )


def _adapted(weight: Tensor, channels: int) -> Tensor:
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeats = -(-channels // _COLOURS)
    return torch.cat([weight] * repeats, dim=1)[:, :channels] * (_COLOURS / channels)


def _layers(state: Mapping[str, Tensor]) -> dict[str, str]:
    """What each of fastai's layers is, ``layers.<number>``; a layer that resizes shifts the end."""
    numbers = sorted({int(m[1]) for k in state if (m := re.match(r"layers\.(\d+)\.", k))})
    blocks = [n for n in numbers if any(k.startswith(f"layers.{n}.shuf.") for k in state)]
    names = {"0": "encoder", "1": "bridge_norm", "3": "bridge"}
    names |= {str(n): f"blocks.{i}" for i, n in enumerate(blocks)}
    rest = [n for n in numbers if str(n) not in names]
    for n in rest:
        keys = [k.removeprefix(f"layers.{n}.") for k in state if k.startswith(f"layers.{n}.")]
        if keys[0].startswith("conv."):
            names[str(n)] = "last_shuffle"
        elif keys[0].startswith("layers."):
            names[str(n)] = "cross"
        elif n == rest[-1]:
            names[str(n)] = "head"
    return names


def _ours(key: str, names: Mapping[str, str]) -> str | None:
    _, _, rest = key.partition("layers.")
    number, _, rest = rest.partition(".")
    first, _, entry = rest.partition(".")
    name = names.get(number)
    if not key.startswith("layers.") or name is None:
        return None
    if name == "encoder":
        return f"encoder.{_STAGES[first]}.{entry}" if first in _STAGES else None
    if name.startswith("blocks."):
        return f"{name}.{_PARTS[first]}.{_new_spectral(entry)}" if first in _PARTS else None
    if name in ("cross", "head"):  # cross.layers.0.0.weight, head.0.weight
        return f"{name}.{entry}" if first in ("layers", "0") else None
    return f"{name}.{rest}"


def _new_spectral(entry: str) -> str:
    head, _, last = entry.rpartition(".")
    return f"{head}.{_SPECTRAL[last]}" if last in _SPECTRAL else entry


def _old_spectral(key: str) -> str:
    for old, new in _SPECTRAL.items():
        if key.endswith(new):
            return key.removesuffix(new) + old
    return key
