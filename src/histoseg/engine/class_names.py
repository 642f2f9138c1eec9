"""Names and colours of classes from a ``type_info.json``, in place of the configured ones."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from histoseg.annotations import TypeInfo, read_type_info
from histoseg.errors import ContractError


def name_classes(cfg: DictConfig) -> None:
    """Let ``type_info=<file>`` name and colour the classes of ``data`` and ``model``.

    Everything that shows a class takes its name and colour from one of the two: overlays, GeoJSON,
    tables, scores, pictures, checkpoints. The data set itself keeps the names by which it checks
    its files. Doing it twice changes nothing more.

    Args:
        cfg: Composed configuration of any verb; changed in place.

    Raises:
        FileNotFoundError: If there is no such file.
        UnreadableFileError: If it is damaged.
        ContractError: If it does not name as many classes as there are.
    """
    if cfg.type_info is None:
        return
    info = read_type_info(Path(cfg.type_info))
    follows = cfg.get("model") is None or follow_data(cfg)
    if not follows:
        _check_count(cfg, info, "the model", len(cfg.model.classes))
    if cfg.data.classes:
        _check_count(cfg, info, "the data set", len(cfg.data.classes))
        if OmegaConf.is_interpolation(cfg.data.dataset, "classes"):
            cfg.data.dataset.classes = list(cfg.data.classes)
    for node in (cfg.data,) if follows else (cfg.data, classified(cfg)):
        node.classes = list(info.classes)
        node.colours = [list(colour) for colour in info.colours]


def classified(cfg: DictConfig) -> DictConfig:
    """The part of a model that has classes: of a pipeline the segmenter."""
    part: DictConfig = cfg.model.get("segment") or cfg.model
    return part


def follow_data(cfg: DictConfig) -> bool:
    """Whether the classes of a model are those of the data, whatever these are."""
    return OmegaConf.is_interpolation(classified(cfg), "classes")


def _check_count(cfg: DictConfig, info: TypeInfo, whose: str, count: int) -> None:
    if count == len(info.classes):
        return
    wanted = f"give a file with ids 0..{count}" if count else "leave type_info out"
    raise ContractError(
        f"{cfg.type_info} names {len(info.classes)} classes ({', '.join(info.classes)}), but "
        f"{whose} has {count}: {wanted}"
    )
