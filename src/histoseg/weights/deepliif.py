"""Folders of DeepLIIF's networks, as published and as its code writes them: read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from histoseg.errors import CheckpointError
from histoseg.weights.deepliif_names import (
    Colour,
    Scheme,
    detected_names,
    facts_of,
    find_files,
    names_of,
)
from histoseg.weights.deepliif_options import read_options, write_options
from histoseg.weights.layers import StoredNetwork, described
from histoseg.weights.resnet_layout import ResnetLayout
from histoseg.weights.torchscript import read_torchscript
from histoseg.weights.translators import from_official, read_official, write_official
from histoseg.weights.unet_layout import AttentionUNetLayout, UNetLayout

_OPTIONS = "train_opt.txt"
_RGB = 3
_DEFAULTS = {  # what DeepLIIF asks of the file besides
    "init_type": "normal",
    "init_gain": 0.02,
    "input_nc": _RGB,
    "output_nc": _RGB,
    "gpu_ids": (),
    "preprocess": "none",
    "load_iter": 0,
    "epoch": "latest",
    "remote_transfer_cmd": None,
    "verbose": False,
}
Networks = tuple[StoredNetwork, ...]


@dataclass(frozen=True)
class DeepLIIFFolder:
    """A DeepLIIF model: its networks, and what is needed to run them.

    Attributes:
        translators: Base input to each modality.
        segmenters: To the class map, from the base input and then from each modality; may be
            empty.
        inputs: Names of the input panels.
        modalities: Names of what the translators give.
        seg_weights: What each segmenter's map is multiplied with before the sum.
        tile: Height and width that the networks see, pixels.
        backgrounds: RGB of each modality where there is no tissue; empty where nothing says it.
        translator_critics: Discriminators of the translators, empty where not read.
        segmenter_critics: Discriminators of the segmenters, empty where not read.
        options: Everything in ``train_opt.txt``, empty without it.
    """

    translators: Networks
    segmenters: Networks = ()
    inputs: tuple[str, ...] = ("IHC",)
    modalities: tuple[str, ...] = ("Hema", "DAPI", "Lap2", "Marker")
    seg_weights: tuple[float, ...] = ()
    tile: int = 512
    backgrounds: tuple[Colour, ...] = ()
    translator_critics: Networks = ()
    segmenter_critics: Networks = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def read_deepliif(
    folder: Path, epoch: str | int = "latest", critics: bool = False
) -> DeepLIIFFolder:
    """Read the networks of a DeepLIIF model and all that can be known of it.

    What the files tell is not asked of ``train_opt.txt``, which may be absent: names of either
    scheme, input panels, width, depth, blocks, norm, padding, dropout, upsampling.

    Args:
        folder: Holds ``<epoch>_net_<name>.pth``, or ``<name>.pt`` of ``deepliif serialize``.
        epoch: ``latest``, a number, or ``iter_<number>``.
        critics: Whether to read the discriminators too.

    Raises:
        FileNotFoundError: If the folder or the file of a network is not there.
        CheckpointError: If a file is damaged or of another network, or networks differ in size.
        UnreadableFileError: If ``train_opt.txt`` holds anything but values.
    """
    folder = Path(folder)
    files = find_files(folder, str(epoch))
    options = read_options(folder / _OPTIONS) if (folder / _OPTIONS).is_file() else {}
    names = detected_names(list(files), options)
    if options.get("seg_gen") is False:
        names = replace(names, seg="")
    translators = _read(files, names.translators(), folder)
    segmenters = _read(files, names.segmenters(), folder)
    if options.get("padding") == "replicate":
        translators = tuple(_replicating(network) for network in translators)
    panels = (*translators, *segmenters)[0].layout.inputs // _RGB
    facts = facts_of(options, names, panels)
    return DeepLIIFFolder(
        translators,
        segmenters,
        *facts,
        _read(files, names.translators("D"), folder) if critics else (),
        _read(files, names.segmenters("D"), folder) if critics else (),
        options,
    )


def write_deepliif(
    folder: Path, model: DeepLIIFFolder, scheme: Scheme = "new", epoch: str | int = "latest"
) -> None:
    """Write what DeepLIIF's own code loads, and `read_deepliif` reads back bit by bit.

    DeepLIIF itself predicts with translators and segmenters of width 64 only.

    Args:
        folder: Made if it is not there; files of the same names are replaced.
        model: Its ``options`` go into ``train_opt.txt`` where they do not contradict the rest.
        scheme: ``old``: names of the published files (G51). ``new``: names of today (GS0).
        epoch: ``latest``, a number, or ``iter_<number>``.

    Raises:
        ValueError: If the scheme cannot name the networks, or their numbers do not fit.
        CheckpointError: If DeepLIIF has no such network.
    """
    _check_counts(model)
    names = names_of(scheme, len(model.translators), bool(model.segmenters))
    options = {**_DEFAULTS, **model.options, **_own_options(model)}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for wanted, networks in (
        (names.translators(), model.translators),
        (names.segmenters(), model.segmenters),
        (names.translators("D"), model.translator_critics),
        (names.segmenters("D"), model.segmenter_critics),
    ):
        for name, network in zip(wanted, networks, strict=False):  # critics may be left out
            write_official(folder / f"{epoch}_net_{name}.pth", network)
    write_options(folder / _OPTIONS, options)


def _read(files: Mapping[str, Path], names: Sequence[str], folder: Path) -> Networks:
    """Read networks that must all be there and, but for the input's channels, alike."""
    if missing := [name for name in names if name not in files]:
        raise FileNotFoundError(
            f"{folder} lacks the networks {', '.join(missing)}; it has "
            f"{', '.join(sorted(files))}. Copy the missing files to there"
        )
    networks = tuple(_read_one(files[name]) for name in names)
    for name, network in zip(names, networks, strict=True):
        layout, first = vars(network.layout), vars(networks[0].layout)
        if layout | {"inputs": 0} != first | {"inputs": 0}:
            raise CheckpointError(
                f"{files[name]} is of {described(network.layout)}, but {files[names[0]].name} is "
                f"of {described(networks[0].layout)}; give networks of one training"
            )
    return networks


def _replicating(network: StoredNetwork) -> StoredNetwork:
    """Say what the keys cannot: they are the same for both paddings that need a layer."""
    layout = network.layout
    if isinstance(layout, ResnetLayout) and layout.padding == "reflect":
        return network._replace(layout=replace(layout, padding="replicate"))
    return network


def _read_one(path: Path) -> StoredNetwork:
    if path.suffix == ".pth":
        return read_official(path)
    state = read_torchscript(path)
    try:
        return from_official(state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _check_counts(model: DeepLIIFFolder) -> None:
    count = len(model.translators)
    segmented = count + 1 if model.segmenters else 0
    for what, wanted, allowed in (
        ("modalities", model.modalities, (count,)),
        ("segmenters", model.segmenters, (segmented,)),
        ("seg_weights", model.seg_weights, (segmented,)),
        ("backgrounds", model.backgrounds, (0, count)),
        ("translator_critics", model.translator_critics, (0, count)),
        ("segmenter_critics", model.segmenter_critics, (0, segmented)),
    ):
        if len(wanted) not in allowed:
            raise ValueError(
                f"{len(wanted)} {what} came with {count} translators; expected {allowed[-1]}"
            )


def _own_options(model: DeepLIIFFolder) -> dict[str, Any]:
    """What the networks themselves say, under DeepLIIF's names."""
    translators = [_architecture(network) for network in model.translators]
    layout = (*model.translators, *model.segmenters)[0].layout
    form = layout if isinstance(layout, ResnetLayout) else ResnetLayout()
    return {
        "model": "DeepLIIF",
        "modalities_no": len(model.translators),
        "modalities_names": [*model.inputs, *model.modalities],
        "input_no": len(model.inputs),
        "scale_size": model.tile,
        "seg_gen": bool(model.segmenters),
        "seg_no": int(bool(model.segmenters)),
        "seg_weights": list(model.seg_weights),
        "netG": translators,
        "net_g": translators,
        "net_gs": [_architecture(network) for network in model.segmenters],
        **({"background_colors": list(model.backgrounds)} if model.backgrounds else {}),
        "ngf": vars(layout)["width"],
        "norm": vars(layout).get("norm", "batch"),
        "padding": form.padding,
        "no_dropout": not form.dropout,
        "upsample": form.upsampling,
    }


def _architecture(network: StoredNetwork) -> str:
    layout = network.layout
    if isinstance(layout, ResnetLayout):
        return f"resnet_{layout.blocks}blocks"
    if isinstance(layout, UNetLayout):
        return f"unet_{2**layout.depth}"
    if isinstance(layout, AttentionUNetLayout):
        return "unet_512_attention"
    raise CheckpointError(f"DeepLIIF has no generator like {described(layout)}")
