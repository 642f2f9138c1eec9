"""What the runs of a sweep have in common: their scores side by side, with mean and spread."""

from __future__ import annotations

import csv
import json
import logging
import statistics
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from typing_extensions import override

log = logging.getLogger(__name__)
NAME = "scores.csv"


class SweepScores(Callback):
    """Writes ``scores.csv`` of a sweep: a row for each run that was tested, then mean and SD.

    The mean over ``data.fold=1,2,3`` is what a cross-validation reports; over seeds, it says how
    far a score is luck. Over other settings it means little, and the rows are what to read.
    """

    @override
    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Summarise what the jobs left."""
        folder = Path(config.hydra.sweep.dir)
        rows = {job.name: scores for job in jobs(folder) if (scores := _scores(job))}
        if len(rows) > 1:
            log.info("%s\n%s", folder / NAME, summarise(folder, rows))


def summarise(folder: Path, rows: dict[str, dict[str, float]]) -> str:
    """Write the table of a sweep.

    Args:
        folder: Of the sweep; each run is a folder in it.
        rows: Run -> its scores by name; those that some run lacks are left out.

    Returns:
        Name, mean and standard deviation (of a sample) of each score, as text.
    """
    names = [n for n in next(iter(rows.values())) if all(n in scores for scores in rows.values())]
    columns = {name: [scores[name] for scores in rows.values()] for name in names}
    mean = {name: statistics.fmean(values) for name, values in columns.items()}
    spread = {name: statistics.stdev(values) for name, values in columns.items()}
    with (folder / NAME).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["run", "overrides", *names])
        for run, scores in rows.items():
            table.writerow([run, overrides_of(folder / run), *(scores[name] for name in names)])
        table.writerow(["mean", "", *mean.values()])
        table.writerow(["sd", "", *spread.values()])
    width = max(map(len, names), default=0)
    lines = [f"  {n:<{width}}  {mean[n]:8.4f} ± {spread[n]:.4f}" for n in names]
    return "\n".join([f"mean ± SD of {len(rows)} runs", *lines])


def jobs(folder: Path) -> list[Path]:
    """The folders of a sweep's jobs, in their order."""
    return sorted((p for p in folder.glob("*") if p.name.isdigit()), key=lambda p: int(p.name))


def _scores(job: Path) -> dict[str, float]:
    path = job / "test" / "metrics.json"
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    numbers = {name: value for name, value in content.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if name != "skipped"}


def overrides_of(job: Path) -> str:
    """What was typed for one job of a sweep, as text."""
    path = job / ".hydra" / "overrides.yaml"
    return " ".join(OmegaConf.load(path)) if path.is_file() else ""
