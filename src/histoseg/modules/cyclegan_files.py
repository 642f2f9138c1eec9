"""Networks of a CycleGAN and the files of others: loaded and handed out."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import nn

from histoseg.modules.stored_networks import fill, load_checkpoint, stored
from histoseg.networks.cyclegan import CycleGAN as Network
from histoseg.networks.cyclegan import Direction
from histoseg.ops.weight_files import read_checkpoint
from histoseg.weights.cyclegan import CycleGANFolder, read_cyclegan

_log = logging.getLogger(__name__)
_PARTS = {  # name in a folder: name in the module
    "a_to_b": "network.a_to_b",
    "b_to_a": "network.b_to_a",
    "critic_a": "discriminators.a",
    "critic_b": "discriminators.b",
}


def load_pretrained(module: nn.Module, path: Path, direction: Direction) -> set[str]:
    """Load what a folder, a file or a checkpoint has of four networks.

    Args:
        module: With ``network`` and ``discriminators``.
        path: See `histoseg.weights.cyclegan.read_cyclegan`; or a checkpoint of histoseg.
        direction: What one generator alone, without a name, is taken for.

    Returns:
        Names of the networks that were there.

    Raises:
        FileNotFoundError: If there is no such path, or no generator in the folder.
        CheckpointError: If a file is damaged, or a network is not the configured one.
    """
    if path.is_file() and "histoseg" in read_checkpoint(path):
        load_checkpoint(module, path)
        return set(_PARTS)
    networks = vars(read_cyclegan(path))
    found = {name: network for name, network in networks.items() if network is not None}
    if path.is_file() and list(found) == ["a_to_b"]:
        found = {direction: found["a_to_b"]}
    for name, network in found.items():
        fill(module.get_submodule(_PARTS[name]), network, f"{path}: the network {name}")
    missing = [name for name in _PARTS if name not in found]
    if missing:
        _log.info("%s has no %s: they start anew", path, ", ".join(missing))
    return set(found)


def folder_of(network: Network, discriminators: nn.ModuleDict) -> CycleGANFolder:
    """What a folder of the original holds of a model.

    Raises:
        CheckpointError: If a network is of a kind that the original has not.
    """
    return CycleGANFolder(
        a_to_b=stored(network.a_to_b),
        b_to_a=stored(network.b_to_a),
        critic_b=stored(discriminators["b"]),
        critic_a=stored(discriminators["a"]),
    )
