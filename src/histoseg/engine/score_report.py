"""The report of any scoring, of a checkpoint or of files: the one place that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from histoseg.contracts import Report, Score
from histoseg.metrics.report import image_scores, report
from histoseg.metrics.tallies import Tallies
from histoseg.writers import image_mean_table, write_csv, write_score_figure, write_scores

SKIPPED = "skipped.csv"


def write_report(
    folder: Path,
    tallies: Tallies,
    cfg: DictConfig,
    title: str,
    settings: Mapping[str, Any],
    more: Sequence[Score] = (),
) -> Report:
    """Score images and write ``scores.json, scores.csv, images.csv, confusion.csv, scores.png``.

    Args:
        folder: Where they go.
        tallies: Counts of the images.
        cfg: ``bootstrap``, ``confidence`` and ``seed``.
        title: Of the figure.
        settings: Noted in ``scores.json``.
        more: Further scores of the same images.

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
    found = replace(found, scores=(*found.scores, *more))
    write_scores(folder, found)
    write_score_figure(folder / "scores.png", found, title)
    return found


def write_image_means(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    groups: Sequence[str],
    cfg: DictConfig,
    settings: Mapping[str, Any],
) -> str:
    """Average scores of pictures without objects: ``scores.json, scores.csv, images.csv``.

    Args:
        folder: Where they go.
        rows: Image, tissue and scores.
        groups: Patient or slide of each image.
        cfg: As of `write_report`.
        settings: Noted in ``scores.json``.

    Returns:
        The means as text.
    """
    own = {"bootstrap": cfg.bootstrap, "confidence": cfg.confidence, "seed": cfg.seed}
    means = image_scores(rows, groups, **own)
    nothing = np.zeros((0, 0), np.int64)
    write_scores(folder, Report(means, (), tuple(rows), nothing, {**own, **settings}))
    return image_mean_table(means)


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
