"""Do this model and these data fit? Asked before anything is built."""

from __future__ import annotations

from pathlib import Path

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from histoseg.errors import ContractError

_MAPS = frozenset({"instances", "semantic"})
RGB = 3


def check_contract(cfg: DictConfig, conf: Path | None = None, *, scoring: bool = False) -> None:
    """Refuse a model that needs what the data do not give.

    Args:
        cfg: A composed configuration with ``model`` and ``data``.
        conf: Folder of the configuration, to name the data that would fit.
        scoring: Nothing is trained: annotated points are enough, whatever their classes.

    Raises:
        ContractError: Naming what is missing and the data that fit.
    """
    needed = _needed(cfg)
    given = _provided(cfg.data.dataset._target_)
    missing = needed - given
    if scoring and gives_points(cfg):
        missing -= _MAPS
    model, given_by = _name(cfg.model._target_), _name(cfg.data.dataset._target_)
    if missing:
        fitting = "" if conf is None else f". Data that fit: {', '.join(_fitting(needed, conf))}"
        points = (
            ". Points say where nuclei are, not how they are shaped: nothing can be trained on "
            "them, but histoseg evaluate scores a trained model against them"
        )
        raise ContractError(
            f"{model} needs {_list(needed)}; {given_by} gives {_list(given)}"
            f"{points if gives_points(cfg) else ''}{fitting}"
        )
    if cfg.data.tile < cfg.model.get("tile", 0):  # a pipeline has none: it is only scored
        raise ContractError(
            f"{model} takes tiles of {cfg.model.tile} px, data.tile is {cfg.data.tile}: "
            f"set data.tile={cfg.model.tile}"
        )
    _check_stains(cfg)
    if "image" in needed:
        _check_channels(cfg)
    same = not gives_points(cfg) and OmegaConf.is_list(cfg.model.classes)
    if same and "semantic" in needed:
        _check_classes(cfg)


def gives_points(cfg: DictConfig) -> bool:
    """Whether the data annotate places of nuclei instead of their shapes."""
    given = _provided(cfg.data.dataset._target_)
    return "points" in given and not given & _MAPS


def _check_stains(cfg: DictConfig) -> None:
    """Translators name their stains, and the data name theirs."""
    asked = [*cfg.model.get("inputs", ()), *cfg.model.get("outputs", ())]
    given = list(cfg.data.get("stains") or ())
    missing = [name for name in asked if name not in given]
    if missing:
        raise ContractError(
            f"the model translates {list(cfg.model.inputs)} to {list(cfg.model.outputs)}; the data "
            f"have {given}, and no {', '.join(missing)}: set model.inputs and model.outputs to "
            "stains that are there, or choose other data"
        )


def _check_channels(cfg: DictConfig) -> None:
    """Images of the data have the channels that the model takes; RGB where neither says so."""
    taken, given = (len(part.get("channels") or ()) or RGB for part in (cfg.model, cfg.data))
    if taken != given:
        raise ContractError(
            f"{_name(cfg.model._target_)} takes images of {taken} channels, the data give {given}:"
            f" give data of {taken} (as many codes in data.dataset.loading.codes), or train a model"
            " of any number, such as model=pixelshuffle_unet"
        )
    how = (cfg.model.get("normalise") or {}).get("_target_", "")
    if how.endswith(".StainNormaliser") and cfg.data.get("channels"):
        raise ContractError(
            "model.normalise brings stains of RGB pictures together; channels of a stack are no "
            "stains: set model/normalise=null"
        )


def _check_classes(cfg: DictConfig) -> None:
    model, data = list(cfg.model.classes), list(cfg.data.classes)
    if model != data:
        raise ContractError(
            f"the model tells {model} apart, the data have {data}: they must be the same, "
            "in the same order. model.classes=[] finds nuclei without classes"
        )


def _needed(cfg: DictConfig) -> frozenset[str]:
    consumes: frozenset[str] = get_class(cfg.model._target_).consumes  # type: ignore[attr-defined]
    return consumes if cfg.model.get("classes") else consumes - {"semantic"}


def _provided(target: str) -> frozenset[str]:
    provides: frozenset[str] = get_class(target).provides  # type: ignore[attr-defined]
    return provides


def _fitting(needed: frozenset[str], conf: Path) -> list[str]:
    found = []
    for path in sorted((conf / "data").glob("*.yaml")):
        target = OmegaConf.select(OmegaConf.load(path), "dataset._target_")
        if target is not None and needed <= _provided(target):
            found.append(path.stem)
    return found


def _name(target: str) -> str:
    return target.rpartition(".")[2]


def _list(keys: frozenset[str]) -> str:
    return ", ".join(repr(key) for key in sorted(keys))
