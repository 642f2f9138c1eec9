"""Scoring: a checkpoint against the test split of its data, image by image."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from omegaconf import DictConfig

from histoseg.callbacks import PerImageScores
from histoseg.engine import checkpoint
from histoseg.engine.against_points import against_points
from histoseg.engine.assembled import assembled, source_of
from histoseg.engine.class_names import name_classes
from histoseg.engine.contract import check_contract, gives_points
from histoseg.engine.data import build_data
from histoseg.engine.memory import keep_freed_memory
from histoseg.engine.point_groups import write_point_groups
from histoseg.engine.ranks import rank, ranks_to_start
from histoseg.engine.record import log_hparams, write_json, write_provenance
from histoseg.engine.score_report import (
    SKIPPED,
    scalar,
    write_image_means,
    write_report,
    write_skipped,
)
from histoseg.engine.structure import keep_structure
from histoseg.engine.trainer import build_trainer
from histoseg.errors import UnreadableFileError
from histoseg.metrics import PointScores
from histoseg.metrics.report import image_scores
from histoseg.metrics.tallies import stack
from histoseg.modules.base import Module
from histoseg.ops.symmetry import symmetries
from histoseg.writers import image_mean_table, score_table

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Score a checkpoint.

    Args:
        cfg: Composed from ``conf/evaluate.yaml``: ``model`` and ``data`` come from the checkpoint
            unless the command line chose others.

    Returns:
        The scores by name, as in ``metrics.json``.

    Raises:
        ContractError: If the model and the data do not fit.
        UnreadableFileError: After everything is written, if images had to be left out.
        ValueError: If several processes are asked for.
    """
    name_classes(cfg)
    check_contract(cfg, scoring=True)
    if gives_points(cfg):
        cfg = against_points(cfg)
    keep_freed_memory()
    if ranks_to_start(cfg.trainer):
        raise ValueError("evaluation runs in one process: trainer=cpu, or trainer=gpu")
    write_provenance(cfg, Path(cfg.paths.run))
    pl.seed_everything(cfg.seed, verbose=False)
    scores = score(cfg, None, Path(cfg.paths.run))
    if scores.get("skipped"):
        raise UnreadableFileError(
            f"{scores['skipped']:.0f} test images were left out: {cfg.paths.run}/{SKIPPED} says "
            "why. Mend or remove them to have scores of the whole split"
        )
    return scores


def score(cfg: DictConfig, weights: Path | None, folder: Path) -> dict[str, float]:
    """Score weights on the test split: ``metrics.json``, the report and ``worst/``.

    An image that cannot be read is left out (with ``data.dataset.on_error=skip``), counted as
    ``skipped`` and listed in ``skipped.csv``.

    Args:
        cfg: A phase of training, or an evaluation.
        weights: Checkpoint; None for what the configuration itself names.
        folder: Where the results go.

    Returns:
        The scores by name.
    """
    cfg = cfg.copy()
    cfg.phase, cfg.paths.phase = "test", str(folder)
    if weights is None:
        module, source = assembled(cfg), source_of(cfg)
    else:
        module, source = checkpoint.build(cfg), str(weights)
        checkpoint.load_weights(module, weights)
    keep_structure(module, cfg)
    module.symmetries = symmetries(cfg.get("tta", "none"))
    per_image = PerImageScores(folder, worst=cfg.worst, rank_by=_ranked_by(cfg, module))
    trainer, data = build_trainer(cfg, module, [per_image]), build_data(cfg, module)
    trainer.test(module, datamodule=data, verbose=False)
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if rank() == 0:
        log_hparams(trainer.loggers, cfg, scores)
        summary, text = _report(folder, per_image, module, data, cfg, source)
        scores |= {**summary, "skipped": float(len(per_image.skipped))}
        write_json(folder / "metrics.json", scores)
        if not per_image.tallies:  # all that metrics say, also of sets of pictures
            text = "\n\n".join([_table(scores), *([text] if text else [])])
        log.info("scores of %s\n\n%s\n", source, text)
        warning = write_skipped(folder, per_image.skipped)
        if warning:
            log.error("%s", warning)
    return scores


def _ranked_by(cfg: DictConfig, module: Module) -> str:
    """The score that says which test images are the worst."""
    if gives_points(cfg):
        return "f1_detection"
    return "pq" if "instances" in module.decoder.kinds else "ssim"


def _report(
    folder: Path, found: PerImageScores, module: Module, data: Any, cfg: DictConfig, source: str
) -> tuple[dict[str, float], str]:
    """Write the report; what it adds to ``metrics.json``, and its text. Points have none."""
    # a prepared set knows who annotated an image, and which images are of one patient
    rows = getattr(data.records("test"), "rows", {})
    if found.points:
        annotators = {name: rows[name]["split"] for name in found.points}
        metric = cast(PointScores, module.test_scores["points"])
        write_point_groups(folder, found.points, annotators, dict(cfg.points.groups or {}), metric)
    if not found.tallies and not found.stain_rows:
        return {}, ""
    groups = [rows.get(name, {}).get("group") or name for name in found.names]
    settings = {"checkpoint": source, "skipped": len(found.skipped)}
    if not found.tallies:
        return {}, write_image_means(folder, found.stain_rows, groups, cfg, settings)
    settings["radius_px"] = found.radius(module)
    tallies = stack(found.tallies, found.names, module.classes, found.tissues, groups)
    title = f"{'/'.join(Path(source).parts[-2:])} on the test split"
    options = {"bootstrap": cfg.bootstrap, "confidence": cfg.confidence, "seed": cfg.seed}
    of_stains = image_scores(found.stain_rows, groups, **options) if found.stain_rows else ()
    made = write_report(folder, tallies, cfg, title, settings, of_stains)
    several = len(set(found.tissues) - {""}) > 1
    known = {
        f"test/{name}_tissue_mean": scalar(made, name, "tissue mean")
        for name in ("mpq", "bpq")
        if several
    }
    text = [score_table(made), *([image_mean_table(of_stains)] if of_stains else [])]
    return {k: v for k, v in known.items() if v is not None}, "\n\n".join(text)


def _table(scores: dict[str, float]) -> str:
    width = max(map(len, scores), default=0)
    return "\n".join(f"  {name:<{width}}  {value:8.4f}" for name, value in scores.items())
