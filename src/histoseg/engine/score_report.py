"""The report of any scoring, of a checkpoint or of files: the one place that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from histoseg.contracts import Report
from histoseg.metrics.report import report
from histoseg.metrics.tallies import Tallies
from histoseg.writers import write_csv, write_score_figure, write_scores

SKIPPED = "skipped.csv"


def write_report(
    folder: Path, tallies: Tallies, cfg: DictConfig, title: str, settings: Mapping[str, Any]
) -> Report:
    """Score images and write ``scores.json, scores.csv, images.csv, confusion.csv, scores.png``.

    Args:
        folder: Where they go.
        tallies: Counts of the images.
        cfg: ``bootstrap``, ``confidence`` and ``seed``.
        title: Of the figure.
        settings: Noted in ``scores.json``.

    Returns:
        The report.
    """
    found = report(
        tallies,
        bootstrap=cfg.bootstrap,
        confidence=cfg.confidence,
        seed=cfg.seed,
        settings=settings,
    )
    write_scores(folder, found)
    write_score_figure(folder / "scores.png", found, title)
    return found


def write_skipped(folder: Path, skipped: Sequence[tuple[str, str]]) -> str:
    """List what could not be read in ``skipped.csv``; without any, remove the list of before.

    Args:
        folder: Where it goes.
        skipped: Name and reason of each.

    Returns:
        What to tell the user; empty if nothing was skipped.
    """
    if not skipped:
        (folder / SKIPPED).unlink(missing_ok=True)
        return ""
    write_csv(folder / SKIPPED, ["image", "why"], skipped)
    reasons = "".join(f"\n  {why}" for _, why in skipped[:5])
    more = f"\n  and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    return (
        f"{len(skipped)} images could not be read and are in NO score above; the others are "
        f"scored ({folder / SKIPPED}):{reasons}{more}"
    )


def scalar(found: Report, name: str, average: str) -> float | None:
    """One overall score of a report; None if it has none of this name."""
    return next(
        (
            s.value
            for s in found.scores
            if (s.group, s.name, s.average) == ("overall", name, average)
        ),
        None,
    )
