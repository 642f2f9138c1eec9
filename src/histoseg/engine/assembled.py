"""What predicts: one model, several trainings of one, or a translator before a segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig

from histoseg.engine import checkpoint
from histoseg.errors import CheckpointError
from histoseg.modules import Ensemble, Pipeline
from histoseg.modules.base import Module
from histoseg.modules.pipeline import Stage

ALIKE = ("_target_", "network", "classes", "mpp", "normalise", "inputs", "outputs")
"""What several trainings have to agree in."""
STAGES: tuple[Stage, Stage] = ("translate", "segment")


def assembled(cfg: DictConfig) -> Module:
    """The trained module that ``ckpt``, ``pipeline`` or weights of originals name, in eval mode.

    Args:
        cfg: Composed from ``conf/predict.yaml`` or ``conf/evaluate.yaml``.

    Raises:
        CheckpointError: If weights are missing or do not fit.
    """
    module = checkpoint.build(cfg)
    if isinstance(module, Pipeline):
        for stage, paths in zip(STAGES, stages_of(cfg.pipeline), strict=True):
            module.take(stage, _trained(getattr(module, stage), paths))
    elif cfg.pipeline is not None:
        raise CheckpointError("pipeline= goes with model=pipeline, which it chooses by itself")
    elif cfg.ckpt is None:
        checkpoint.require_trained(module, cfg.model)
    else:
        module = _trained(module, paths_of(cfg.ckpt))
    return module.eval()


def stages_of(pipeline: Any) -> list[list[str]]:
    """Checkpoints of the translator and of the segmenter.

    Raises:
        CheckpointError: If there are not two.
    """
    stages = list(pipeline) if isinstance(pipeline, list | ListConfig) else [pipeline]
    if len(stages) != len(STAGES):
        raise CheckpointError(
            f"pipeline={pipeline}: expected [<translator>,<segmenter>], each a "
            "checkpoint or, for the mean of several, a list of them. histoseg export "
            "format=histoseg makes one of the weights of an original"
        )
    return [paths_of(stage) for stage in stages]


def paths_of(ckpt: Any) -> list[str]:
    """One or several checkpoints as a list.

    Example:
        >>> paths_of("a.ckpt"), paths_of(["a.ckpt", "b.ckpt"])
        (['a.ckpt'], ['a.ckpt', 'b.ckpt'])
    """
    if isinstance(ckpt, list | ListConfig):
        return [str(path) for path in ckpt]
    return [str(ckpt)]


def same_model(stored: Mapping[Path, DictConfig]) -> DictConfig:
    """Model and data of the first of several checkpoints, of one model all.

    Raises:
        CheckpointError: If they differ in what decides what maps mean.
    """
    (path, first), *others = stored.items()
    for other, config in others:
        for key in ALIKE:
            one, two = first.model.get(key), config.model.get(key)
            if one != two:
                raise CheckpointError(
                    f"{path} and {other} are no trainings of one model: {key} is {one} and {two}"
                )
    return first


def source_of(cfg: DictConfig) -> str:
    """Where the weights came from, for a report."""
    if cfg.pipeline is not None:
        return " then ".join(",".join(paths) for paths in stages_of(cfg.pipeline))
    return str(cfg.model.get("pretrained")) if cfg.ckpt is None else ",".join(paths_of(cfg.ckpt))


def _trained(module: Module, paths: Sequence[str]) -> Module:
    """A module with the weights of a checkpoint, or as many copies of it as there are."""
    if not paths:
        raise CheckpointError("there is no checkpoint in an empty list")
    members = [module, *(deepcopy(module) for _ in paths[1:])]
    for member, path in zip(members, paths, strict=True):
        checkpoint.load_weights(member, checkpoint.find(Path(path)))
    return module if len(members) == 1 else Ensemble(members)
