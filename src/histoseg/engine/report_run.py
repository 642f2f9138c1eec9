"""One training as a page: configuration, curves, scores, best and worst images, versions."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from histoseg.engine.run_folder import RunFolder, find_runs
from histoseg.writers import PagePicture, PageSection, PageTable, curves_figure, write_page

log = logging.getLogger(__name__)
NAME = "report.html"
MOST_CURVES = 9
EXTREMES = 5
"""Rows of the tables of best and worst images."""


def report(cfg: DictConfig) -> list[Path]:
    """Write the page of each run that is named.

    Args:
        cfg: Composed from ``conf/report.yaml``.

    Returns:
        The pages.

    Raises:
        CheckpointError: If there is no finished run.
    """
    runs = find_runs([cfg.run] if isinstance(cfg.run, str) else list(cfg.run))
    pages = [write_run_report(run.path) for run in runs]
    for page in pages:
        log.info("%s", page.resolve().as_uri())
    return pages


def write_run_report(folder: Path) -> Path:
    """Write ``report.html`` of a finished run into it.

    Args:
        folder: Of the run.

    Returns:
        The page.
    """
    run = RunFolder(folder)
    sections = [
        _overview(run),
        _curves(run),
        *_scores(run),
        *_images(run),
        *_pictures(run),
        _settings(run),
    ]
    facts = f"{_target(run, 'model')} on {run.config.name.partition('-')[2] or run.config.name}"
    return write_page(
        folder / NAME, run.name, facts, [s for s in sections if s is not None], _footer(run)
    )


def _overview(run: RunFolder) -> PageSection:
    phases = [
        [name, str(done.get("epochs")), _text(done.get("score")), _duration(done.get("seconds"))]
        for name, done in run.phases.items()
    ]
    env = run.environment
    git = env.get("git") or {}
    facts = [
        ["model", _target(run, "model")],
        ["data", _target(run, "data")],
        ["typed", " ".join(run.overrides) or "(unknown)"],
        ["seed", str(run.seed)],
        ["commit", f"{git.get('commit') or '(none)'}{' with changes' if git.get('dirty') else ''}"],
        ["machine", _machine(env)],
        ["folder", str(run.path.resolve())],
    ]
    best = f"best val/{run.monitor}"
    return PageSection(
        "Overview",
        tables=[
            PageTable(["", ""], facts),  # no heads
            PageTable(["phase", "epochs", best, "time"], phases, "Phases"),
        ],
    )


def _curves(run: RunFolder) -> PageSection | None:
    names = chosen_curves(run.curves, run.monitor)
    panels: dict[str, dict[str, list[Any]]] = {}
    for name in names:
        key, _, metric = name.partition("/")
        panels.setdefault(metric, {})[key] = [run.curves[name]]
    if not panels:
        return None
    return PageSection("Curves", pictures=[PagePicture.of(curves_figure(panels), "by epoch")])


def chosen_curves(curves: Mapping[str, Any], monitor: str) -> list[str]:
    """The metrics to draw: the loss, the monitored one, then others as they come."""
    metrics = dict.fromkeys(["loss", monitor, *(name.partition("/")[2] for name in curves)])
    shown = [m for m in metrics if any(f"{side}/{m}" in curves for side in ("train", "val"))]
    some = shown[:MOST_CURVES]
    return [name for m in some for name in (f"train/{m}", f"val/{m}") if name in curves]


def _scores(run: RunFolder) -> list[PageSection]:
    if run.report:
        tables = [
            PageTable(["score", *averages], rows, caption)
            for caption, averages, rows in _report_tables(run.report)
        ]
        return [PageSection("Test scores", _how(run.report), tables, _figure(run))]
    rows = [[name, _text(value)] for name, value in run.scores.items()]
    table = PageTable(["score", "value"], rows)
    return [PageSection("Test scores", tables=[table])] if rows else []


def _report_tables(
    found: Mapping[str, Any],
) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Caption, heads and rows: overall, then a table for each class and tissue."""
    groups: dict[str, Mapping[str, Any]] = {"All images": found.get("overall", {})}
    for kind in ("class", "tissue"):
        groups |= {f"{kind} {of}": v for of, v in found.get(f"by_{kind}", {}).items()}
    tables: list[tuple[str, Sequence[str], list[list[str]]]] = []
    for caption, averages in groups.items():
        names = list(dict.fromkeys(name for scores in averages.values() for name in scores))
        rows = [[name, *(_interval(averages[a].get(name)) for a in averages)] for name in names]
        if rows:
            tables.append((caption, list(averages), rows))
    return tables


def _how(found: Mapping[str, Any]) -> str:
    settings = found.get("settings", {})
    said = (f"{key} {value}" for key, value in settings.items() if key != "checkpoint")
    return f"In brackets: the confidence interval. {', '.join(said)}"


def _images(run: RunFolder) -> list[PageSection]:
    ranked = rank_images(run)
    if not ranked:
        return []
    metric, names = ranked
    columns = [c for c in next(iter(run.images.values())) if not c.startswith("ap_")][:9]
    some = [("Best", names[::-1][:EXTREMES]), ("Worst", names[:EXTREMES])]
    tables = [
        PageTable(
            ["image", *columns],
            [[name, *(_text(run.images[name][c]) for c in columns)] for name in rows],
            f"{caption} of {len(names)} test images by {metric}",
        )
        for caption, rows in some
    ]
    return [PageSection("Best and worst images", tables=tables)]


def rank_images(run: RunFolder) -> tuple[str, list[str]] | None:
    """The score that images are ranked by, and their names from the worst; None without any."""
    if not run.images:
        return None
    there = next(iter(run.images.values()))
    metric = next((m for m in (run.monitor, "pq", "ssim", *there) if m in there), None)
    if metric is None:
        return None
    scored = [n for n, row in run.images.items() if not math.isnan(row[metric])]
    sign = 1 if run.higher_is_better or metric != run.monitor else -1
    return metric, sorted(scored, key=lambda name: sign * run.images[name][metric])


def _pictures(run: RunFolder) -> list[PageSection]:
    found = []
    if run.panels:
        shown = [PagePicture(p.read_bytes(), f"{p.parents[1].name}, {p.stem}") for p in run.panels]
        found.append(PageSection("Validation panel", pictures=shown))
    for title in ("best", "worst"):
        paths = sorted((run.path / "test" / title).glob("*.png"))
        if paths:
            shown = [PagePicture(p.read_bytes(), p.stem) for p in paths]
            found.append(PageSection(f"{title.title()} test images", pictures=shown))
    return found


def _figure(run: RunFolder) -> list[PagePicture]:
    path = run.path / "test" / "scores.png"
    return [PagePicture(path.read_bytes(), "the same as a figure")] if path.is_file() else []


def _settings(run: RunFolder) -> PageSection:
    packages = [[k, v or ""] for k, v in run.environment.get("packages", {}).items()]
    return PageSection(
        "Configuration",
        tables=[PageTable(["package", "version"], packages)] if packages else [],
        code=OmegaConf.to_yaml(run.config),
        code_title="The whole configuration",
    )


def _target(run: RunFolder, key: str) -> str:
    node = run.config[key]
    target = node.dataset._target_ if key == "data" else node._target_
    return str(target).rpartition(".")[2]


def _machine(environment: Mapping[str, Any]) -> str:
    machine = environment.get("machine") or {}
    gpus = ", ".join(machine.get("gpus") or []) or "no GPU"
    return f"{machine.get('cpus', '?')} cores, {gpus}, Python {environment.get('python', '?')}"


def _footer(run: RunFolder) -> str:
    versions = run.environment.get("packages", {})
    return f"histoseg {versions.get('histoseg', '')}: python train.py resume={run.path} goes on"


def _interval(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return ""
    value, low, high = (score.get(key) for key in ("value", "low", "high"))
    around = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return f"{_text(value)}{around}"


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
