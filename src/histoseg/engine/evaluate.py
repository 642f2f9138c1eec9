"""Scoring: a checkpoint against the test split of its data, image by image."""

from __future__ import annotations

import logging
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig

from histoseg.callbacks import PerImageScores
from histoseg.engine import checkpoint
from histoseg.engine.contract import check_contract
from histoseg.engine.data import build_data
from histoseg.engine.memory import keep_freed_memory
from histoseg.engine.ranks import rank, ranks_to_start
from histoseg.engine.record import log_hparams, write_json, write_provenance
from histoseg.engine.trainer import build_trainer
from histoseg.ops.symmetry import symmetries

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
        ValueError: If several processes are asked for.
    """
    check_contract(cfg)
    keep_freed_memory()
    if ranks_to_start(cfg.trainer):
        raise ValueError("evaluation runs in one process: trainer=cpu, or trainer=gpu")
    write_provenance(cfg, Path(cfg.paths.run))
    pl.seed_everything(cfg.seed, verbose=False)
    weights = None if cfg.ckpt is None else checkpoint.find(Path(cfg.ckpt))
    return score(cfg, weights, Path(cfg.paths.run))


def score(cfg: DictConfig, weights: Path | None, folder: Path) -> dict[str, float]:
    """Score weights on the test split: ``metrics.json``, ``images.csv`` and ``worst/``.

    Args:
        cfg: A phase of training, or an evaluation.
        weights: Checkpoint; None for the pretrained weights that the model is built with.
        folder: Where the results go.

    Returns:
        The scores by name.
    """
    cfg = cfg.copy()
    cfg.phase, cfg.paths.phase = "test", str(folder)
    module = checkpoint.build(cfg)
    if weights is not None:
        checkpoint.load_weights(module, weights)
    module.symmetries = symmetries(cfg.get("tta", "none"))
    per_image = PerImageScores(folder, worst=cfg.worst)
    trainer = build_trainer(cfg, [per_image])
    trainer.test(module, datamodule=build_data(cfg, module), verbose=False)
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if rank() == 0:
        write_json(folder / "metrics.json", {**scores, **per_image.summary})
        log_hparams(trainer.loggers, cfg, scores)
        table = _table({**scores, **per_image.summary})
        log.info("scores of %s\n%s", weights or cfg.model.pretrained, table)
    return scores


def _table(scores: dict[str, float]) -> str:
    width = max(map(len, scores), default=0)
    return "\n".join(f"  {name:<{width}}  {value:8.4f}" for name, value in scores.items())
