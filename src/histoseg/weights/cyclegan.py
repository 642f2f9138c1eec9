"""CycleGAN's networks in files of the official code and of IHC_HE_GenAI: read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.ops.weight_files import read_checkpoint
from histoseg.weights.cyclegan_origin import from_origin, is_origin, is_origin_layout, to_origin
from histoseg.weights.layers import StoredNetwork, unwrapped
from histoseg.weights.translators import from_official, to_official

_PART = re.compile(r"^(?:net)?([GD](?:_[AB])?)\.(.+)$")
_OFFICIAL = re.compile(r"^(.+)_net_([GD](?:_[AB])?)\.pth$")
_ORIGIN = re.compile(r"^(gen|disc)(?:erator|riminator)?_?(HE|IHC)(?:_.*)?(?:\.pth)?\.tar$")
_ORIGIN_NAMES = {
    "G_A": "generator_HE.tar",
    "G_B": "generator_IHC.tar",
    "D_A": "discriminator_HE.tar",
    "D_B": "discriminator_IHC.tar",
}
_BY_ORIGIN = {
    ("gen", "HE"): "G_A",
    ("gen", "IHC"): "G_B",
    ("disc", "HE"): "D_A",
    ("disc", "IHC"): "D_B",
}
_ONE_WAY = {"": "G_A", "G": "G_A", "D": "D_A"}


@dataclass(frozen=True)
class CycleGANFolder:
    """The networks of a CycleGAN, or of a translator that goes one way.

    Domain A is IHC and B is H&E in IHC_HE_GenAI. The official ``D_A`` judges images of B.

    Attributes:
        a_to_b: ``G_A``.
        b_to_a: ``G_B``, if it is there.
        critic_b: ``D_A``, which judges images of domain B.
        critic_a: ``D_B``, which judges images of domain A.
    """

    a_to_b: StoredNetwork | None = None
    b_to_a: StoredNetwork | None = None
    critic_b: StoredNetwork | None = None
    critic_a: StoredNetwork | None = None

    def by_official_name(self) -> dict[str, StoredNetwork]:
        """Give the networks that are there under ``G_A``, ``G_B``, ``D_A``, ``D_B``."""
        names = ("G_A", "G_B", "D_A", "D_B")
        networks = (self.a_to_b, self.b_to_a, self.critic_b, self.critic_a)
        return {n: network for n, network in zip(names, networks, strict=True) if network}


def read_cyclegan(path: Path, epoch: str | int = "latest") -> CycleGANFolder:
    """Read the networks of a folder, or of one file.

    Everything that the keys tell is detected: official code or IHC_HE_GenAI, ResNet or U-Net,
    blocks, norm, dropout, padding, width, channels.

    Args:
        path: A folder with ``<epoch>_net_G_A.pth`` and its like, or with ``generator_HE.tar`` or
            ``genHE_*.pth.tar`` and their like; or a file of one network or, under prefixes such as
            ``netG_A.``, of several.
        epoch: ``latest`` or a number; does not concern files of IHC_HE_GenAI.

    Raises:
        FileNotFoundError: If there is no such path, or no generator in the folder.
        CheckpointError: If a file is damaged or of another network, or two files are the same one.
    """
    path = Path(path)
    if not path.is_dir():
        return _folder(read_networks(path), path)
    files = _files(path, str(epoch))
    found: dict[str, StoredNetwork] = {}
    for name, file in files.items():
        networks = read_networks(file)
        if list(networks) != [""]:
            raise CheckpointError(
                f"{file} holds several networks ({', '.join(networks)}); read it by its own path"
            )
        found[name] = networks[""]
    return _folder(found, path)


def write_cyclegan(folder: Path, model: CycleGANFolder, epoch: str | int = "latest") -> None:
    """Write files that the code which can build the networks loads; `read_cyclegan` reads them.

    Args:
        folder: Made if it is not there; files of the same names are replaced.
        model: Networks as of IHC_HE_GenAI are written for it, all others for the official code.
        epoch: ``latest`` or a number; does not concern files of IHC_HE_GenAI.

    Raises:
        CheckpointError: If neither code can build a network, or its weights do not fit.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in model.by_official_name().items():
        if is_origin_layout(network.layout):
            state = {k: v.detach().cpu() for k, v in to_origin(network).items()}
            torch.save({"epoch": 0, "state_dict": state}, folder / _ORIGIN_NAMES[name])
        else:
            state = {k: v.detach().cpu() for k, v in to_official(network).items()}
            torch.save(state, folder / f"{epoch}_net_{name}.pth")


def read_networks(path: Path) -> dict[str, StoredNetwork]:
    """Read what networks a file holds.

    Args:
        path: A file of ``torch.save``, also of old versions; bare or under ``state_dict``.

    Returns:
        Networks by what stands before their keys (``G_A`` for ``netG_A.``); one network without a
        prefix is under an empty name.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged or holds anything else; the message names it.
    """
    state = unwrapped(read_checkpoint(path), str(path))
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        match = _PART.match(key)
        name, inner = (match[1], match[2]) if match else ("", key)
        parts.setdefault(name, {})[inner] = value
    try:
        return {name: _translated(unwrapped(part, name)) for name, part in parts.items()}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _translated(state: Mapping[str, Tensor]) -> StoredNetwork:
    return from_origin(state) if is_origin(state) else from_official(state)


def _files(folder: Path, epoch: str) -> dict[str, Path]:
    """Find the files of networks by official names."""
    found: dict[str, Path] = {}
    epochs = set()
    for path in sorted(folder.iterdir()):
        if match := _OFFICIAL.match(path.name):
            epochs.add(match[1])
            name = _ONE_WAY.get(match[2], match[2]) if match[1] == epoch else None
        else:
            origin = _ORIGIN.match(path.name)
            name = _BY_ORIGIN[origin[1], origin[2]] if origin else None
        if name in found:
            raise CheckpointError(
                f"{folder} holds {found[name].name} and {path.name}, which are the same network; "
                "leave one of them there"
            )
        if name:
            found[name] = path
    if not any(name.startswith("G") for name in found):
        raise FileNotFoundError(
            f"{folder} holds no generator of epoch {epoch!r}; expected {epoch}_net_G_A.pth, "
            f"{epoch}_net_G.pth or generator_HE.tar. Epochs that are there: "
            f"{', '.join(sorted(epochs)) or 'none'}"
        )
    return found


def _folder(networks: Mapping[str, StoredNetwork], path: Path) -> CycleGANFolder:
    named = {_ONE_WAY.get(name, name): network for name, network in networks.items()}
    for name, network in named.items():
        if ("GAN" in network.layout.network) != name.startswith("D"):
            raise CheckpointError(f"{path}: {name} holds a {network.layout.network}")
    return CycleGANFolder(*(named.get(name) for name in ("G_A", "G_B", "D_A", "D_B")))
