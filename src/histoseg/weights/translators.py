"""Official files of one generator or discriminator, whichever it is: keys <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.ops.weight_files import read_checkpoint
from histoseg.weights.layers import State, StoredNetwork, from_ours, unwrapped
from histoseg.weights.patchgan_layout import patchgan_from_official, pixelgan_from_official
from histoseg.weights.resnet_layout import resnet_from_official
from histoseg.weights.unet_layout import attention_from_official, unet_from_official

_BY_KEY = (
    ("model.model.0.", unet_from_official),
    ("Conv1.conv.0.", attention_from_official),
    ("net.0.", pixelgan_from_official),
    ("model.0.", patchgan_from_official),
    ("model.1.", resnet_from_official),
)


def from_official(state: Mapping[str, Tensor]) -> StoredNetwork:
    """Tell from its keys which network weights are for, and translate them into ours.

    Args:
        state: State dict of a generator or discriminator of junyanz's pytorch-CycleGAN-and-pix2pix
            or DeepLIIF, of any width, depth, norm, padding, dropout and upsampling.

    Raises:
        CheckpointError: If keys or shapes are not those of such a network.
    """
    for prefix, translate in _BY_KEY:
        if any(key.startswith(prefix) for key in state):
            return translate(state)
    raise CheckpointError(
        "these are not the weights of a generator or discriminator: expected a key that starts "
        f"with one of {', '.join(prefix for prefix, _ in _BY_KEY)}; keys that came: "
        f"{', '.join(sorted(state)[:3]) or 'none'}"
    )


def to_official(stored: StoredNetwork) -> State:
    """Translate weights into the official keys, in the official order.

    Args:
        stored: A complete network.

    Raises:
        CheckpointError: If the official code cannot build it, or weights and layout do not fit.
    """
    return from_ours(stored, stored.layout.official())


def read_official(path: Path) -> StoredNetwork:
    """Read an official file of one generator or discriminator.

    Args:
        path: The file of ``torch.save``, also of old versions; bare or under ``state_dict``.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged or is not of such a network; the message names it.
    """
    state = unwrapped(read_checkpoint(path), str(path))
    try:
        return from_official(state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def write_official(path: Path, stored: StoredNetwork) -> None:
    """Write what the official code loads: a bare state dict on the CPU.

    Args:
        path: The file; one that is there is replaced.
        stored: A complete network.

    Raises:
        CheckpointError: If the official code cannot build it, or weights and layout do not fit.
    """
    torch.save({k: v.detach().cpu() for k, v in to_official(stored).items()}, path)
