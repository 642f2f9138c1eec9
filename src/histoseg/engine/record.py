"""What a run leaves beside its weights: configuration, versions, git state, curves, scores."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger, TensorBoardLogger

PACKAGES = (
    "histoseg", "torch", "torchvision", "pytorch-lightning", "hydra-core", "albumentations",
    "numpy", "scipy", "scikit-image", "opencv-python-headless", "timm", "torchmetrics",
)  # fmt: skip


def write_provenance(cfg: DictConfig, folder: Path) -> None:
    """Write ``config.yaml`` (resolved) and ``environment.json`` (versions, git state, machine)."""
    folder.mkdir(parents=True, exist_ok=True)
    resolved = OmegaConf.to_container(cfg, resolve=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(resolved)))
    facts = {
        "seed": cfg.seed,
        "git": _git_state(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": {"cpus": os.cpu_count(), "platform": platform.platform(), "gpus": _gpus()},
    }
    write_json(folder / "environment.json", facts)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all; what is not a number becomes null."""
    part = path.with_suffix(".part")
    strict = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in content.items()
    }
    part.write_text(json.dumps(strict, indent=2, allow_nan=False) + "\n")
    part.replace(path)


def set_curves_aside(phase: Path) -> None:
    """Rename the ``metrics.csv`` of a phase that was cut; the logger of the resumed one deletes it.

    It becomes ``metrics.0.csv``, or the next number that is free.
    """
    if (phase / "metrics.csv").is_file():
        number = len(list(phase.glob("metrics.*.csv")))
        (phase / "metrics.csv").rename(phase / f"metrics.{number}.csv")


def join_curves(run: Path, phases: list[str]) -> None:
    """Put the phases' curves into one ``metrics.csv``, with a column that names the phase.

    Of a phase that was cut and resumed, steps taken twice count as they were taken last.
    """
    rows: list[dict[str, str]] = []
    for phase in phases:
        rows += [{"phase": phase, **row} for row in _curve(run / phase)]
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (run / "metrics.csv").open("w", newline="") as f:
        writer = csv.DictWriter(f, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _curve(phase: Path) -> list[dict[str, str]]:
    parts = sorted(phase.glob("metrics.*.csv"), key=lambda path: int(path.suffixes[0][1:]))
    rows: list[dict[str, str]] = []
    for part in (*parts, phase / "metrics.csv"):
        if part.is_file():
            with part.open(newline="") as f:
                more = list(csv.DictReader(f))
            if more:
                rows = [row for row in rows if int(row["step"]) < int(more[0]["step"])] + more
    return rows


def log_hparams(loggers: Iterable[Logger], cfg: DictConfig, scores: dict[str, float]) -> None:
    """Add a row to TensorBoard's table of hyperparameters: the configuration and its scores."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(_flat(OmegaConf.to_container(cfg, resolve=True)), scores)


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """A nested configuration as one level of dotted keys."""
    if isinstance(node, Mapping):
        items: dict[str, Any] = {}
        for key, value in node.items():
            items |= _flat(value, f"{prefix}{key}.")
        return items
    return {prefix[:-1]: node if isinstance(node, int | float | str | bool) else str(node)}


def _git_state() -> dict[str, Any]:
    here = Path(__file__).parent

    def git(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=here, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD") or None,
            "dirty": bool(git("status", "--porcelain")),
        }
    except FileNotFoundError:  # git is not installed
        return {"commit": None, "dirty": None}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _gpus() -> list[str]:
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
