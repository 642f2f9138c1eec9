"""Training: phases, each built from the configuration, fitted, and handed on."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

from histoseg.engine import checkpoint
from histoseg.engine.class_names import name_classes
from histoseg.engine.contract import check_contract
from histoseg.engine.data import build_data
from histoseg.engine.evaluate import score
from histoseg.engine.memory import keep_freed_memory
from histoseg.engine.phases import phases
from histoseg.engine.ranks import rank, ranks_to_start, run_ranks
from histoseg.engine.record import (
    join_curves,
    log_hparams,
    set_curves_aside,
    write_json,
    write_provenance,
)
from histoseg.engine.report_run import NAME as REPORT
from histoseg.engine.report_run import write_run_report
from histoseg.engine.trainer import build_trainer
from histoseg.errors import CheckpointError

log = logging.getLogger(__name__)


def train(cfg: DictConfig) -> float | None:
    """Train the configured model on the configured data, then score it on the test split.

    A phase that is already done in ``paths.run`` is not done again, and one that was cut goes on
    from its last checkpoint.

    Args:
        cfg: Composed from ``conf/train.yaml``, with ``name`` and ``paths.run`` set.

    Returns:
        The best monitored value of the last phase, for sweeps; None if nothing was monitored.

    Raises:
        DatasetNotFoundError: Before anything is trained, if the test split is not there.
    """
    name_classes(cfg)
    check_contract(cfg)
    if rank() == 0:
        _open_test_split(cfg)
    keep_freed_memory()
    run = Path(cfg.paths.run)
    if rank() == 0:
        write_provenance(cfg, run)
    count = ranks_to_start(cfg.trainer)
    if count:
        run_ranks(cfg, count, run, cfg.trainer)
    else:
        _train(cfg, run)
    *_, last = phases(cfg)
    best: float | None = json.loads((Path(last.paths.phase) / "done.json").read_text())["score"]
    return best


def _open_test_split(cfg: DictConfig) -> None:
    """Hear that the split of the end is not there before the training, not after it."""
    data = instantiate(cfg.data)
    if cfg.test and "test" in data.splits:
        data.records("test")


def fit(cfg: DictConfig, init: Path | None, *, last_phase: bool) -> Path | None:
    """Train one phase.

    Args:
        cfg: The phase's configuration, from `phases`.
        init: Checkpoint whose weights it starts from.
        last_phase: Whether a finished one goes on if ``trainer.max_epochs`` is more than it was.

    Returns:
        Its last checkpoint, to hand on; None if it writes none.

    Raises:
        KeyboardInterrupt: If it is stopped by Ctrl-C or SIGTERM.
    """
    folder = Path(cfg.paths.phase)
    last = folder / "checkpoints" / "last.ckpt"
    if _is_done(folder, cfg.trainer.max_epochs if last_phase else None):
        log.info("phase %s is done already", cfg.phase)
        return last if last.is_file() else None
    pl.seed_everything(cfg.seed, verbose=False)
    module = checkpoint.build(cfg)
    if init is not None:
        checkpoint.load_weights(module, init)
    if cfg.compile:
        module.network.compile()
    trainer = build_trainer(cfg, module)
    began = time.monotonic()
    resume = _resume_point(folder / "checkpoints")
    if resume is not None and rank() == 0:
        set_curves_aside(folder)
    log.info("phase %s %s", cfg.phase, f"goes on from {resume}" if resume else "starts")
    try:
        trainer.fit(module, datamodule=build_data(cfg, module), ckpt_path=resume, weights_only=True)
    except SystemExit as end:  # what Lightning makes of Ctrl-C and of SIGTERM
        raise KeyboardInterrupt(f"stopped; resume={cfg.paths.run} goes on") from end
    if rank() == 0:
        best = _best(trainer)
        log_hparams(
            trainer.loggers, cfg, {"best": float("nan") if best["score"] is None else best["score"]}
        )
        took = {"seconds": round(time.monotonic() - began, 1)}  # since the last resume
        write_json(folder / "done.json", {"epochs": cfg.trainer.max_epochs, **best, **took})
    trainer.strategy.barrier("phase done")
    return last if last.is_file() else None


def _train(cfg: DictConfig, run: Path) -> None:
    """What each process of a run does."""
    weights: Path | None = None
    names: list[str] = []
    every = list(phases(cfg))
    for phase in every:
        if names and weights is None:
            raise ValueError(
                f"phase {names[-1]} left no checkpoint for phase {phase.phase} to start from: keep "
                "the callback `last`, or train in one phase with ~phases"
            )
        weights = fit(phase, weights, last_phase=phase is every[-1])
        names.append(phase.phase)
    if rank() == 0:
        join_curves(run, names)
    if weights is None:
        return
    best = _best_file(Path(phase.paths.phase)) or weights
    if rank() == 0:
        _copy(best, run / "best.ckpt")
    if cfg.test and "test" in instantiate(cfg.data).splits:
        score(phase, best, run / "test")
    if rank() == 0:
        _say_where(run, report=cfg.report)


def _is_done(phase: Path, max_epochs: int | None) -> bool:
    """Whether a phase is finished, with at least so many epochs."""
    done = phase / "done.json"
    if not done.is_file():
        return False
    before: int = json.loads(done.read_text())["epochs"] or 0
    return before >= (max_epochs or 0)


def _resume_point(checkpoints: Path) -> Path | None:
    """The newest checkpoint that can be read: a cut may have left a half-written one."""
    newest_first = sorted(checkpoints.glob("*.ckpt"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in newest_first:
        try:
            checkpoint.read(path)
        except CheckpointError as e:
            log.warning("%s; trying the one before", e)
        else:
            return path
    return None


def _best(trainer: pl.Trainer) -> dict[str, Any]:
    saver = trainer.checkpoint_callback
    if not isinstance(saver, pl.callbacks.ModelCheckpoint) or saver.best_model_score is None:
        return {"score": None, "best": None}
    return {"score": float(saver.best_model_score), "best": Path(saver.best_model_path).name}


def _best_file(phase: Path) -> Path | None:
    name = json.loads((phase / "done.json").read_text())["best"]
    return phase / "checkpoints" / name if name else None


def _copy(source: Path, target: Path) -> None:
    """Copy whole or not at all; a hard link where the file system has them."""
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
    part.replace(target)
    part.unlink(missing_ok=True)  # two links to one file stay both


def _say_where(run: Path, *, report: bool) -> None:
    if report:
        try:
            write_run_report(run)
        except Exception:  # the training is done, and the page can be made again
            log.exception("there is no report: histoseg report run=%s tries again", run)
    files = {
        "report": REPORT,
        "checkpoint": "best.ckpt",
        "curves": "metrics.csv",
        "test scores": "test/metrics.json",
        "each test image": "test/images.csv",
        "worst of them": "test/worst",
    }
    lines = [f"  {what:<16}{run / name}" for what, name in files.items() if (run / name).exists()]
    if (run / "tensorboard").exists():
        lines.append(f"  {'tensorboard':<16}tensorboard --logdir {run / 'tensorboard'}")
    log.info("finished\n%s", "\n".join(lines))
