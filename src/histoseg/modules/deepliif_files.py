"""Networks of DeepLIIF and the folders of the original: loaded and handed out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from histoseg.errors import CheckpointError
from histoseg.modules.stored_networks import fill, layout_of, stored
from histoseg.networks.deepliif import SEG
from histoseg.networks.deepliif import DeepLIIF as Network
from histoseg.ops.deepliif_names import our_name, their_name
from histoseg.weights.deepliif import DeepLIIFFolder, read_deepliif
from histoseg.weights.layers import Layout, StoredNetwork

_log = logging.getLogger(__name__)
_NO_CHOICE = ("inputs", "outputs")  # of a network: they follow from the model's


def settings_of(folder: Path) -> dict[str, Any]:
    """Say with which settings a model is that of a folder of the original.

    Args:
        folder: Of ``*_net_G*.pth`` or ``G*.pt``.

    Returns:
        Values by dotted keys below ``model``: stains, shares, tile, background colours, and each
        network's recipe, which takes the place of the configured one as a whole.

    Raises:
        FileNotFoundError: If the folder or the file of a network is not there.
        CheckpointError: If a file is damaged or of another network, or networks differ in size.
        UnreadableFileError: If ``train_opt.txt`` holds anything but values.
    """
    found = read_deepliif(folder)
    outputs = [our_name(name) for name in found.modalities]
    settings: dict[str, Any] = {
        "inputs": [our_name(name) for name in found.inputs],
        "outputs": [*outputs, SEG] if found.segmenters else outputs,
        "tile": found.tile,
        "overlap": found.tile // 4,
    }
    for name, colour in zip(outputs, found.backgrounds, strict=False):  # there may be none
        settings[f"backgrounds.{name}"] = list(colour)
    if found.segmenters:
        settings["seg_weights"] = list(found.seg_weights)
    for what, given in (("translator", found.translators), ("segmenter", found.segmenters)):
        if given:
            settings[f"network.{what}"] = {
                "_target_": f"histoseg.networks.{given[0].layout.network}",
                "_partial_": True,
                **_arguments(given[0].layout),
            }
    return settings


def load_folder(network: Network, folder: Path, *, tile: int, by_tile: bool) -> None:
    """Load the generators of a folder that the original wrote, or that is published.

    Args:
        network: Of as many modalities, and of the same kinds of networks.
        folder: Of ``*_net_G*.pth`` or ``G*.pt``.
        tile: What the module sees, pixels.
        by_tile: Whether norms work with statistics of each tile; some files have no others.

    Raises:
        CheckpointError: If a file is damaged, or the networks are not those configured.
    """
    found = read_deepliif(folder)
    _fill(network.translators, found.translators, folder, "translator")
    if network.segmenters:  # else seg is not asked for
        _fill(network.segmenters, found.segmenters, folder, "segmenter")
    if not by_tile and not all(n.has_statistics for n in (*found.translators, *found.segmenters)):
        raise CheckpointError(
            f"{folder} holds TorchScript files, which have no running statistics: use "
            "model.statistics=tile"
        )
    if found.tile != tile:
        _log.warning("%s is of tiles of %d px, model.tile is %d", folder, found.tile, tile)
    if network.seg_weights:
        _log.info(
            "seg is painted with shares %s; %s says %s. model/seg_weights= chooses others",
            list(network.seg_weights.values()),
            folder,
            list(found.seg_weights),
        )


def folder_of(network: Network, discriminators: nn.ModuleDict, **facts: object) -> DeepLIIFFolder:
    """What a folder of the original holds of a model, in its order.

    Args:
        network: The generators.
        discriminators: By output, and by ``seg_<what a segmenter sees>``.
        facts: Further entries of the folder: ``inputs``, ``tile``.

    Raises:
        CheckpointError: If a network is of a kind that the original has not.
    """
    return DeepLIIFFolder(
        translators=tuple(map(stored, network.translators.values())),
        segmenters=tuple(map(stored, network.segmenters.values())),
        modalities=tuple(map(their_name, network.modalities)),
        seg_weights=tuple(network.seg_weights.values()),
        translator_critics=tuple(stored(discriminators[name]) for name in network.modalities),
        segmenter_critics=tuple(
            stored(discriminators[f"seg_{name}"]) for name in network.segmenters
        ),
        **facts,  # type: ignore[arg-type]
    )


def _fill(ours: nn.ModuleDict, theirs: Sequence[StoredNetwork], folder: Path, what: str) -> None:
    if len(ours) != len(theirs):
        raise CheckpointError(
            f"{folder} has {len(theirs)} {what}s, the model {len(ours)} ({', '.join(ours)}): say "
            + _typed({key: settings_of(folder)[key] for key in ("inputs", "outputs")})
        )
    for (name, network), given in zip(ours.items(), theirs, strict=True):
        advice = "say " + _typed(_other(what, given.layout, layout_of(network)))
        fill(network, given, f"{folder}: the network for {name}", advice)


def _arguments(layout: Layout) -> dict[str, Any]:
    return {key: value for key, value in vars(layout).items() if key not in _NO_CHOICE}


def _other(what: str, theirs: Layout, ours: Layout) -> dict[str, Any]:
    """Arguments of theirs that ours has not; if there are none, they see other panels."""
    given = {"_target_": f"histoseg.networks.{theirs.network}", **_arguments(theirs)}
    own = {"_target_": f"histoseg.networks.{ours.network}", **_arguments(ours)}
    wanted = {f"network.{what}.{k}": v for k, v in given.items() if own.get(k) != v}
    return wanted or {"inputs": [f"input{i + 1}" for i in range(theirs.inputs // 3)]}


def _typed(settings: Mapping[str, Any]) -> str:
    """Settings as they are typed on the command line."""
    return " ".join(f"model.{key}={value}".replace(" ", "") for key, value in settings.items())
