"""What a run leaves beside its weights: configuration, versions, git state, curves, scores."""

from __future__ import annotations

import csv
import importlib.metadata
import json
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
    strict = {key: None if value != value else value for key, value in content.items()}
    part.write_text(json.dumps(strict, indent=2, allow_nan=False) + "\n")
    part.replace(path)


def join_curves(run: Path, phases: list[str]) -> None:
    """Put the phases' ``metrics.csv`` into one beside them, with a column that names the phase."""
    rows: list[dict[str, str]] = []
    for phase in phases:
        source = run / phase / "metrics.csv"
        if source.is_file():
            with source.open(newline="") as f:
                rows += [{"phase": phase, **row} for row in csv.DictReader(f)]
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (run / "metrics.csv").open("w", newline="") as f:
        writer = csv.DictWriter(f, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


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
