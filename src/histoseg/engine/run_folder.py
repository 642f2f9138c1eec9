"""A finished training as it lies on disk: what reports and comparisons read."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from histoseg.errors import CheckpointError

SEEDS = ("seed", "data.seed")
"""Overrides that make another run of the same experiment."""
Curve = tuple[list[float], list[float]]


@dataclass(frozen=True)
class RunFolder:
    """A run, read when it is asked.

    Attributes:
        path: Its folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The last two parts of its path, or one where the last says enough."""
        own = self.path.resolve()
        return f"{own.parent.name}/{own.name}"

    @cached_property
    def config(self) -> DictConfig:
        """Resolved, as it was trained."""
        cfg = OmegaConf.load(self.path / "config.yaml")
        assert isinstance(cfg, DictConfig)
        return cfg

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, git state, machine; empty where it was not written."""
        return _json(self.path / "environment.json")

    @cached_property
    def overrides(self) -> tuple[str, ...]:
        """What was typed, besides where it goes; empty where nothing is known."""
        path = self.path / ".hydra" / "overrides.yaml"
        typed = list(OmegaConf.load(path)) if path.is_file() else []
        return tuple(str(o) for o in typed if not str(o).startswith(("hydra.", "paths.")))

    @cached_property
    def scores(self) -> dict[str, float]:
        """Of the test split, by name without ``test/``; what is no number is left out."""
        content = _json(self.path / "test" / "metrics.json")
        return {
            name.removeprefix("test/"): float(value)
            for name, value in content.items()
            if isinstance(value, int | float) and name != "skipped"
        }

    @cached_property
    def report(self) -> dict[str, Any]:
        """``test/scores.json``; empty for models that find no objects."""
        return _json(self.path / "test" / "scores.json")

    @cached_property
    def images(self) -> dict[str, dict[str, float]]:
        """Scores of each test image, by image and score."""
        path = self.path / "test" / "images.csv"
        if not path.is_file():
            return {}
        with path.open(newline="", encoding="utf-8") as file:
            return {
                row["image"]: {
                    key: _number(value)
                    for key, value in row.items()
                    if key not in ("image", "tissue")
                }
                for row in csv.DictReader(file)
            }

    @property
    def monitor(self) -> str:
        """The score that chose its best weights, without ``val/``."""
        return str(self.config.model.get("monitor", "")).removeprefix("val/")

    @property
    def higher_is_better(self) -> bool:
        """Of the monitored score."""
        return str(self.config.model.get("mode", "max")) == "max"

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.config.get("seed", 0))

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """Epochs (counted over phases) and values of each metric that epochs have."""
        path = self.path / "metrics.csv"
        if not path.is_file():
            return {}
        with path.open(newline="", encoding="utf-8") as file:
            return curves_of(csv.DictReader(file))

    @cached_property
    def phases(self) -> dict[str, dict[str, Any]]:
        """What ``done.json`` of each phase says, in the order of their ends."""
        done = sorted(self.path.glob("*/done.json"), key=lambda p: p.stat().st_mtime)
        return {path.parent.name: _json(path) for path in done}

    @property
    def panels(self) -> list[Path]:
        """The last panel of each phase."""
        found = (sorted((self.path / phase / "panels").glob("*.png")) for phase in self.phases)
        return [pictures[-1] for pictures in found if pictures]

    @property
    def without_seed(self) -> tuple[str, ...]:
        """The overrides that another seed of the same experiment shares."""
        return tuple(o for o in self.overrides if o.lstrip("+").partition("=")[0] not in SEEDS)


def curves_of(rows: Iterable[Mapping[str, str]]) -> dict[str, Curve]:
    """The curves of a ``metrics.csv``, by metric; epochs of later phases go on counting."""
    curves: dict[str, Curve] = {}
    phase, before, last = "", 0.0, -1.0
    for row in rows:
        if row["phase"] != phase:
            phase, before, last = row["phase"], before + last + 1, -1.0
        if not row["epoch"]:
            continue
        last = max(last, float(row["epoch"]))
        for key, value in row.items():
            if key.startswith(("train/", "val/")) and value:
                epochs, values = curves.setdefault(key, ([], []))
                epochs.append(before + float(row["epoch"]) + 1)
                values.append(_number(value))
    return curves


def find_runs(where: Sequence[str]) -> list[RunFolder]:
    """The runs that are meant: folders of runs, folders with runs in them, or globs.

    Args:
        where: Paths.

    Returns:
        Each once, in the order given, and of a folder in the order of names.

    Raises:
        CheckpointError: If there is none in a path, or one was never finished.
    """
    found: dict[Path, RunFolder] = {}
    for text in where:
        path = Path(text)
        starts = (
            [path]
            if path.exists()
            else sorted(Path().glob(text) if not path.is_absolute() else Path("/").glob(text[1:]))
        )
        folders = [f for start in starts for f in _runs_in(start)]
        if not folders:
            raise CheckpointError(
                f"there is no run in {text} (from {Path.cwd()}): give the folder of a training, "
                "the folder of a sweep, or a glob in quotes"
            )
        found |= {folder.resolve(): RunFolder(folder) for folder in folders}
    for run in found.values():
        if not run.phases:
            raise CheckpointError(
                f"{run.path} has no finished phase (no */done.json): finish it with "
                f"python train.py resume={run.path}, or leave it out"
            )
    return list(found.values())


def _runs_in(start: Path) -> list[Path]:
    if _is_run(start):
        return [start]
    below = [path.parent for path in start.rglob("config.yaml") if _is_run(path.parent)]
    return sorted(below, key=lambda p: [(len(part), part) for part in p.parts])


def _is_run(folder: Path) -> bool:
    """Whether a training wrote there; an evaluation has no phase and no overrides of one."""
    if not (folder / "config.yaml").is_file() or folder.name == ".hydra":
        return False
    return any(folder.glob("*/checkpoints")) or any(folder.glob("*/done.json"))


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
