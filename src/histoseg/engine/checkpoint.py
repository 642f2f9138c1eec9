"""Checkpoints that describe themselves: a model and its data rebuilt from the file alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, cast

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from histoseg import __version__
from histoseg.errors import CheckpointError
from histoseg.modules.base import Module
from histoseg.modules.deepliif_files import settings_of as settings_of  # for the command line
from histoseg.ops.weight_files import read_checkpoint

log = logging.getLogger(__name__)
TRUSTED = tuple(
    f"{package}."
    for package in (
        *(f"histoseg.{r}" for r in ("modules", "networks", "postprocess", "metrics", "data")),
        *("torch.optim", "torchmetrics", "albumentations"),
    )
)

PURE = ("histoseg.losses.",)
"""Where functions may be named too: tensors to tensors, nothing else within reach."""


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running anything in it.

    Args:
        path: A checkpoint of histoseg.

    Raises:
        FileNotFoundError: If there is none.
        CheckpointError: If it is cut short, not a checkpoint, or not one of histoseg.
    """
    content = read_checkpoint(path)
    if "histoseg" not in content:
        raise CheckpointError(
            f"{path} was not written by histoseg. Weights of an original repository load with "
            "python train.py model=... model.pretrained=<path>"
        )
    return content


def find(path: Path) -> Path:
    """The checkpoint meant by a file, or by the folder of a run: its best, else its newest.

    Raises:
        CheckpointError: If there is none.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"there is no checkpoint and no folder {path} (from {Path.cwd()})")
    for pattern in ("best.ckpt", "*/checkpoints/last.ckpt"):
        found = sorted(path.glob(pattern), key=lambda p: p.stat().st_mtime)
        if found:
            return found[-1]
    raise CheckpointError(f"no checkpoint in {path}: give a .ckpt file, or the folder of a run")


def stored_config(path: Path, *, trust: tuple[str, ...] = ()) -> DictConfig:
    """The ``model`` and ``data`` configuration that a checkpoint was trained with.

    Args:
        path: A checkpoint of histoseg.
        trust: Further packages whose classes it may name.

    Raises:
        CheckpointError: If it names a class outside histoseg and the libraries it is built of;
            building such a class would run code that the file chooses.
    """
    recipe = read(path)["histoseg"]
    users = tuple(f"{package}." for package in trust)
    for target in _targets(recipe):
        if not (target.startswith(users) or _is_ours(target)):
            raise CheckpointError(
                f"{path} asks to build {target!r}, which is no class of histoseg or of the "
                "libraries it is built of. If you trust the author of the file, say so: "
                f"trust=[{target.split('.')[0]}]"
            )
    return OmegaConf.create({key: recipe[key] for key in ("model", "data")})


def record(cfg: DictConfig) -> dict[str, Any]:
    """What a checkpoint of this run has to remember, as plain containers."""
    model = cast(dict[str, Any], OmegaConf.to_container(cfg.model, resolve=True))
    if "pretrained" in model:
        model["pretrained"] = None  # the weights are in the checkpoint itself
    data = OmegaConf.to_container(cfg.data)  # unresolved: paths.data may be another tomorrow
    return {"model": model, "data": data, "version": __version__}


def build(cfg: DictConfig) -> Module:
    """Build the module of a configuration; its checkpoints will remember the configuration.

    With ``channels_last`` its weights lie in that memory layout; loading others keeps it.
    """
    module = instantiate(cfg.model)
    if not isinstance(module, Module):
        raise TypeError(
            f"{cfg.model._target_} gives {type(module).__name__}, not a histoseg Module"
        )
    module.recipe = record(cfg)
    settings = getattr(module.normalise, "settings", None)
    if settings is not None:  # numbers in place of the file that they were measured in
        module.recipe["model"]["normalise"] |= settings()
    return module.to(memory_format=torch.channels_last) if cfg.get("channels_last") else module


def load(cfg: DictConfig) -> Module:
    """The trained module that a verb names by ``ckpt`` or ``model.pretrained``, in eval mode.

    Raises:
        CheckpointError: If there is none, or its weights do not fit the configured model.
    """
    module = build(cfg)
    if cfg.ckpt is None:  # the weights are the pretrained ones that the model was built with
        require_trained(module, cfg.model)
    elif not isinstance(cfg.ckpt, str):
        raise CheckpointError(f"ckpt={cfg.ckpt}: this verb takes one checkpoint, and no list")
    else:
        load_weights(module, find(Path(cfg.ckpt)))
    return module.eval()


def require_trained(module: Module, model: DictConfig) -> None:
    """Refuse to use a network of which pretrained weights gave only a part.

    Args:
        module: From `build`, with ``pretrained`` weights and without a checkpoint.
        model: The part of the configuration that it was built of.

    Raises:
        CheckpointError: If there were no weights, or some of its tensors would start anew.
    """
    if not model.get("pretrained"):
        raise CheckpointError("there are no weights: give ckpt= or model.pretrained=")
    if module.untrained:
        raise CheckpointError(
            f"{model.pretrained} does not give the {module.untrained}. Choose data= with the "
            "file's classes, or name them: data=folder type_info=<type_info.json>"
        )


def load_weights(module: Module, path: Path) -> None:
    """Put the weights of a checkpoint into a module of the same architecture.

    Raises:
        CheckpointError: If they do not fit, naming some of the keys and both models.
    """
    content = read(path)
    weights = content["state_dict"]
    own = module.state_dict()
    wrong = sorted(own.keys() ^ weights.keys())
    wrong += [k for k in own.keys() & weights.keys() if own[k].shape != weights[k].shape]
    if wrong:
        there = content["histoseg"]["model"]["_target_"]
        raise CheckpointError(
            f"{path} holds weights of {there}, which do not fit {type(module).__name__} as "
            f"configured: {len(wrong)} of {len(own)} tensors differ, e.g. {', '.join(wrong[:3])}"
        )
    module.load_state_dict(weights)


def _is_ours(target: str) -> bool:
    """Whether a name leads to a class of a trusted package, or a function of a pure one.

    It has to be defined there, not just imported.
    """
    if not target.startswith((*TRUSTED, *PURE)):
        return False
    try:
        found = get_object(target)
    except (ImportError, AttributeError, InstantiationException):
        return False
    home = f"{getattr(found, '__module__', '')}."
    if isinstance(found, FunctionType):
        return home.startswith(PURE)
    return isinstance(found, type) and home.startswith(TRUSTED)


def _targets(node: Any) -> Iterator[str]:
    """Every class or function that a configuration names."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _targets(value)
