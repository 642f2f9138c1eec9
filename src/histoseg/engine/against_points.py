"""Scoring a model against annotated points."""

from __future__ import annotations

import logging

from omegaconf import DictConfig, OmegaConf

from histoseg.engine.class_names import follow_data
from histoseg.errors import ContractError

log = logging.getLogger(__name__)


def against_points(cfg: DictConfig) -> DictConfig:
    """Adapt an evaluation to data of which only the places of nuclei are known.

    The model is scored by `PointScores` instead of its own metrics, and gets the images at the
    resolution that it was made for.

    Args:
        cfg: Composed from ``conf/evaluate.yaml``, with ``points``.

    Returns:
        The adapted configuration; ``cfg`` is not changed.

    Raises:
        ContractError: If the model would take its classes from the points.
    """
    if follow_data(cfg):
        raise ContractError(
            f"the points have the classes {list(cfg.data.classes)}, which need not be those of the "
            "weights: say model.classes=[<names>] model.colours=[], or score a checkpoint of "
            "histoseg with ckpt=<run>, which knows its own"
        )
    cfg = cfg.copy()
    class_of = dict(cfg.points.class_of or {})
    metric = {
        "_target_": "histoseg.metrics.PointScores",
        "classes": list(cfg.data.classes),
        "pred_classes": list(cfg.model.classes),
        "class_of": class_of,
        "radius_um": cfg.points.radius_um,
        "gate": cfg.points.gate,
    }
    OmegaConf.update(cfg, "model.metrics", {"points": metric}, merge=False, force_add=True)
    if cfg.model.mpp is not None and cfg.model.mpp != cfg.data.mpp:
        log.info("images are given at the model's %g um/px", cfg.model.mpp)
        cfg.data.mpp = cfg.model.mpp
    led = {name: class_of.get(name, name) for name in cfg.model.classes}
    alike = {name: own for name, own in led.items() if own in cfg.data.classes}
    log.info(
        "classes compared: %s. Set points.class_of={<class of the model>: <class of the points>} "
        "for others",
        ", ".join(f"{name} as {own}" for name, own in alike.items()) or "none",
    )
    return cfg
