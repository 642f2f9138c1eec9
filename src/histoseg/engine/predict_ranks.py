"""Prediction by several processes of this machine, and the table of what was done."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from histoseg.engine.ranks import run_ranks
from histoseg.engine.slides.workers import usual_count
from histoseg.writers.files import whole_file

COLUMNS = ("image", "state", "seconds", "mm2", "nuclei", "peak_mb", "error")
BEST_FIRST = ("done", "skipped", "failed", "partial")
Rows = list[dict[str, Any]]


def predict_by_ranks(cfg: DictConfig, count: int, output: Path) -> Rows:
    """Predict with one process per device; each does its share of every slide.

    Args:
        cfg: Composed from ``conf/predict.yaml``.
        count: Processes.
        output: Folder of all results; it exists.

    Returns:
        As of `predict`, and in ``summary.csv``: of each slide the row of the rank that finished it,
        with the time of the slowest and the memory of all.

    Raises:
        RuntimeError: If a process failed.
    """
    if cfg.workers is None:
        cfg.workers = max(1, usual_count() // count)
    run_ranks(cfg, count, output, cfg, "predict")
    files = [_summary(output, rank) for rank in range(count)]
    rows = [_joined(list(of_ranks)) for of_ranks in zip(*map(_read, files), strict=True)]
    write_summary(output, rows)
    for file in (*files, output / "ranks.yaml"):
        file.unlink()
    return rows


def write_summary(output: Path, rows: Rows, rank: int | None = None) -> None:
    """Write ``summary.csv``, or that of one rank, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    with whole_file(_summary(output, rank)) as file:
        file.write(text.getvalue().encode())


def _summary(output: Path, rank: int | None) -> Path:
    return output / ("summary.csv" if rank is None else f"summary.rank{rank}.csv")


def _read(path: Path) -> Rows:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _joined(rows: Rows) -> dict[str, Any]:
    best = min(rows, key=lambda row: BEST_FIRST.index(row["state"]))
    return {
        **best,
        "nuclei": int(best["nuclei"]),
        "seconds": max(float(row["seconds"]) for row in rows),
        "peak_mb": sum(int(row["peak_mb"]) for row in rows),
    }
