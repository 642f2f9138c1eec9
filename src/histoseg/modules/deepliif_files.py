"""Networks of DeepLIIF and the folders of the original: loaded and handed out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from histoseg.errors import CheckpointError
from histoseg.modules.stored_networks import fill, stored
from histoseg.networks.deepliif import DeepLIIF as Network
from histoseg.weights.deepliif import DeepLIIFFolder, read_deepliif
from histoseg.weights.layers import StoredNetwork

_log = logging.getLogger(__name__)


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
    _fill(network.translators, found.translators, folder, "translators")
    _fill(network.segmenters, found.segmenters, folder, "segmenters")
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
        modalities=network.modalities,
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
            f"{folder} has {len(theirs)} {what}, the model {len(ours)} ({', '.join(ours)}): name "
            "as many modalities in model.outputs, with seg if there are segmenters"
        )
    for (name, network), given in zip(ours.items(), theirs, strict=True):
        fill(network, given, f"{folder}: the network for {name}")
