"""Checkpoints as files that other programs load."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from omegaconf import DictConfig

from histoseg.annotations import TypeInfo, read_type_info
from histoseg.engine import checkpoint
from histoseg.engine.class_names import name_classes
from histoseg.errors import CheckpointError, ContractError
from histoseg.modules import CycleGAN, DeepLIIF, HoVerNet, ImPartial, PixelShuffleUNet
from histoseg.modules.base import Module
from histoseg.networks.blocks.preact_resnet import PreactResNet
from histoseg.weights.cyclegan import write_cyclegan
from histoseg.weights.deepliif import write_deepliif
from histoseg.weights.hovernet import to_official
from histoseg.weights.hovernet_layout import check_published, layout_of
from histoseg.weights.impartial import write_official
from histoseg.weights.pixelshuffle_unet import to_fastai
from histoseg.writers import write_type_info
from histoseg.writers.files import whole_file

log = logging.getLogger(__name__)
Exporter = Callable[[Module, Path], None]


def export(cfg: DictConfig) -> Path:
    """Write a checkpoint in the format of another program.

    Args:
        cfg: Composed from ``conf/export.yaml``.

    Returns:
        The file, or the folder.

    Raises:
        CheckpointError: If there is no checkpoint, or the format cannot hold its network.
        ContractError: If a ``type_info.json`` of other classes lies beside the file.
        OSError: If the file cannot be written.
        ValueError: If there is no such format, or the file has another suffix than the format.
    """
    if cfg.format not in FORMATS:
        raise ValueError(f"format={cfg.format}: expected one of {', '.join(FORMATS)}")
    name_classes(cfg)
    module, output = checkpoint.load(cfg), Path(cfg.output)
    FORMATS[cfg.format](module, output)
    return output


def _to_hovernet(module: Module, output: Path) -> None:
    """Write the ``.tar`` of the original HoVer-Net and, with classes, its ``type_info.json``."""
    if output.suffix != ".tar":
        raise ValueError(f"output={output}: the original's files end in .tar")
    if not isinstance(module, HoVerNet):
        raise CheckpointError(
            f"the checkpoint is of {type(module).__name__}; the format hovernet holds a HoVer-Net"
        )
    if not isinstance(module.network.encoder, PreactResNet):
        raise CheckpointError(
            "the original HoVer-Net has its own encoder only; this network has one of timm: train "
            "with model.network.encoder=null for it"
        )
    weights = {key: value.contiguous() for key, value in module.network.state_dict().items()}
    layout = layout_of(weights)
    check_published(layout)
    _check_beside(output.parent / "type_info.json", module)
    with whole_file(output) as file:
        torch.save({"desc": to_official(weights)}, file)
    says = f"--model_mode={layout.mode} --nr_types={layout.classes and 1 + layout.classes}"
    if module.classes:
        path = write_type_info(output.parent, module.classes, module.colours)
        says += f" --type_info_path={path}"
    if module.normalise is not None:
        log.warning("the model learned on normalised stains, and the original does not normalise")
    log.info("%s written; the original takes --model_path=%s %s", output, output, says)


def _to_deepliif(module: Module, output: Path) -> None:
    """Write what the original DeepLIIF loads: ``latest_net_*.pth`` and ``train_opt.txt``."""
    if not isinstance(module, DeepLIIF):
        raise CheckpointError(
            f"the checkpoint is of {type(module).__name__}; the format deepliif holds a DeepLIIF"
        )
    _check_folder(output)
    if module.statistics == "running":
        log.warning("the model works with running statistics, the original with those of a tile")
    write_deepliif(output, module.folder())
    log.info(
        "%s written; the original takes --model-dir %s --tile-size %d", output, output, module.tile
    )


def _to_cyclegan(module: Module, output: Path) -> None:
    """Write what the official code loads: ``latest_net_G_A.pth`` and three like it."""
    if not isinstance(module, CycleGAN):
        raise CheckpointError(
            f"the checkpoint is of {type(module).__name__}; the format cyclegan holds a CycleGAN"
        )
    _check_folder(output)
    write_cyclegan(output, module.folder())
    log.info("%s written; A is %s, B is %s", output, *module.domains.values())


def _to_fastai(module: Module, output: Path) -> None:
    """Write the ``.pth`` that fastai 1's ``learn.load`` takes."""
    if output.suffix != ".pth":
        raise ValueError(f"output={output}: files of fastai's learn.save end in .pth")
    if not isinstance(module, PixelShuffleUNet):
        raise CheckpointError(
            f"the checkpoint is of {type(module).__name__}; the format fastai holds a pixel-shuffle"
            " U-Net"
        )
    weights = {key: value.contiguous() for key, value in module.network.state_dict().items()}
    with whole_file(output) as file:
        torch.save({"model": to_fastai(weights)}, file)
    if module.network.standardise:
        log.warning("the model standardises its images, and the original does not")
    log.info("%s written; fastai 1 takes it by learn.load(..., with_opt=False)", output)


def _to_histoseg(module: Module, output: Path) -> None:
    """Write a checkpoint of ours: weights of an original with the settings that they need."""
    if output.suffix != ".ckpt":
        raise ValueError(f"output={output}: checkpoints of histoseg end in .ckpt")
    weights = {key: value.contiguous() for key, value in module.state_dict().items()}
    with whole_file(output) as file:
        torch.save({"state_dict": weights, "histoseg": module.recipe}, file)
    log.info("%s written; every verb takes it as ckpt=%s", output, output)


def _to_impartial(module: Module, output: Path) -> None:
    """Write what ``main_impartial.py`` loads: a list of the weights."""
    if output.suffix != ".pth":
        raise ValueError(f"output={output}: the original's files end in .pth")
    if not isinstance(module, ImPartial):
        raise CheckpointError(
            f"the checkpoint is of {type(module).__name__}; the format impartial holds an ImPartial"
        )
    with whole_file(output) as file:
        write_official(file, module.network.state_dict(), dropout=module.network.dropout > 0)
    log.info(
        "%s written: %d maps of %d channels", output, module.network.outputs, len(module.channels)
    )


def _check_folder(output: Path) -> None:
    if output.suffix or output.is_file():
        raise ValueError(f"output={output}: expected a folder, the original has a file a network")


def _check_beside(path: Path, module: Module) -> None:
    """Leave the names of another network's classes alone."""
    own = TypeInfo(module.classes, module.colours)
    if module.classes and path.is_file() and read_type_info(path) != own:
        raise ContractError(
            f"{path} names other classes than the checkpoint ({', '.join(module.classes)}): choose "
            "an output= in another folder, or say type_info= with that file"
        )


FORMATS: Mapping[str, Exporter] = {
    "hovernet": _to_hovernet,
    "deepliif": _to_deepliif,
    "cyclegan": _to_cyclegan,
    "fastai": _to_fastai,
    "histoseg": _to_histoseg,
    "impartial": _to_impartial,
}
"""How to write each format: the module, on the CPU and in eval mode, into the file."""
