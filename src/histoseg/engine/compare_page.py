"""The page of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.engine.comparison import Comparison
from histoseg.engine.report_run import chosen_curves
from histoseg.writers import (
    PagePicture,
    PageSection,
    PageTable,
    bars_figure,
    curves_figure,
    matrix_figure,
    tradeoff_figure,
    write_page,
    write_png,
)

MOST_PANELS = 6
Crossed = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]


def write_comparison_page(
    folder: Path, found: Comparison, crossed: Crossed, *, key: str | None
) -> Path:
    """Write ``comparison.html``, and its figures as PNG beside it.

    Args:
        folder: Where they go.
        found: The comparison.
        crossed: Scores by group and test set; empty without.
        key: Override to draw scores against; None for the one number that was varied, if there is.

    Returns:
        The page.
    """
    figures = {"curves": _curves(found), "bars": _bars(found)}
    varied = _varied(found, key)
    if varied is not None:
        figures["tradeoff"] = tradeoff_figure(*varied)
    if crossed:
        figures["tests"] = _matrix(found, crossed)
    for name, picture in figures.items():
        write_png(folder / f"{name}.png", picture)
    sections = [
        PageSection("Ranking", _verdict(found), [_ranking(found)]),
        PageSection("Scores", "Mean over runs; line: standard deviation.", [_scores(found)],
                    [PagePicture.of(figures["bars"], "bars.png")]),
        PageSection("Curves", pictures=[PagePicture.of(figures["curves"], "curves.png")]),
    ]  # fmt: skip
    for name, title in (("tradeoff", "Trade-off"), ("tests", "Other test sets")):
        if name in figures:
            shown = PagePicture.of(figures[name], f"{name}.png")
            sections.append(PageSection(title, pictures=[shown]))
    sections += [*_examples(found), _runs(found)]
    runs = sum(map(len, found.groups.values()))
    subtitle = f"{runs} runs in {len(found.groups)} groups, ranked by {found.metric} of the test"
    return write_page(folder / "comparison.html", "Comparison of runs", subtitle, sections)


def _verdict(found: Comparison) -> str:
    higher = "more" if found.higher else "less"
    lines = [
        f"By test {found.metric} ({higher} is better). p: signed-rank test over the test images, "
        "each the mean over the seeds of a group, the best group against each other, corrected by "
        "Holm. It speaks of these images, not of other seeds: for those look at the standard "
        "deviation.",
        *(f"Mind: {warning}." for warning in found.warnings),
    ]
    return "\n".join(lines)


def _ranking(found: Comparison) -> PageTable:
    rows = []
    for place, label in enumerate(found.order, 1):
        s = found.table[label][found.metric]
        test = found.against.get(label)
        rows.append(
            [
                str(place),
                label,
                _number(s.mean),
                _number(s.sd),
                str(s.n),
                f"{s.low:.4f} to {s.high:.4f}" if s.n > 1 else "",
                _number(test.difference) if test else "",
                _p(test.p_holm) if test else "",
                str(test.images) if test and test.images else "",
            ]
        )
    columns = ["", "group", found.metric, "SD", "runs", "95 % interval", "best minus this", "p",
               "images"]  # fmt: skip
    return PageTable(columns, rows, best=frozenset({0}))


def _scores(found: Comparison) -> PageTable:
    rows = [[label, *(_mean_sd(found, label, m) for m in found.metrics)] for label in found.order]
    return PageTable(["group", *found.metrics], rows)


def _mean_sd(found: Comparison, label: str, metric: str) -> str:
    s = found.table[label][metric]
    around = "" if math.isnan(s.sd) else f" ± {s.sd:.3f}"
    return f"{s.mean:.4f}{around}" if s.n else ""


def _curves(found: Comparison) -> Array:
    first = next(iter(found.groups.values()))[0]
    names = chosen_curves(first.curves, first.monitor)
    val = [n for n in names if n.startswith("val/")]
    panels: dict[str, dict[str, list[tuple[Sequence[float], Sequence[float]]]]] = {}
    for name in [*(n for n in names if n == "train/loss"), *val][:MOST_PANELS]:
        panels[name] = {
            label: [run.curves[name] for run in found.groups[label] if name in run.curves]
            for label in found.order
        }
    return curves_figure(panels or {"(no curves)": {}})


def _bars(found: Comparison) -> Array:
    rows = {
        label: {m: (s.mean, s.sd) for m, s in found.table[label].items()} for label in found.order
    }
    return bars_figure(rows, found.metrics[:MOST_PANELS])


def _varied(
    found: Comparison, key: str | None
) -> tuple[str, dict[str, list[tuple[float, float, float]]]] | None:
    """The one number that sets the groups apart, and each metric over it."""
    values = {
        label: (name, number)
        for label, runs in found.groups.items()
        for override in runs[0].without_seed
        for name, _, text in [override.lstrip("+").partition("=")]
        if override in label.split(" ") and key in (None, name)
        if (number := _as_number(text)) is not None
    }
    names = {name for name, _ in values.values()}
    if len(values) != len(found.groups) or len(names) != 1 or len(values) < 3:
        if key is not None:
            raise ValueError(
                f"against={key}: expected a number that differs between three or more groups"
            )
        return None
    lines: dict[str, list[tuple[float, float, float]]] = {}
    for label, (_, x) in values.items():
        for metric in found.metrics[:MOST_PANELS]:
            s = found.table[label][metric]
            lines.setdefault(metric, []).append((x, s.mean, s.sd))
    return names.pop(), lines


def _as_number(text: str) -> float | None:
    numbers = [part for part in text.strip("[]").split(",") if part]
    try:
        return float(numbers[-1])  # of [1, penalty] the penalty
    except (ValueError, IndexError):
        return None


def _matrix(found: Comparison, crossed: Crossed) -> Array:
    tests = list(next(iter(crossed.values())))
    values = [
        [
            np.mean([scores.get(found.metric, np.nan) for scores in crossed[label][name]])
            for name in tests
        ]
        for label in found.order
    ]
    return matrix_figure(found.order, tests, np.array(values), f"{found.metric} by test set")


def _examples(found: Comparison) -> list[PageSection]:
    """The last validation panel of a run of each group: all show the same images."""
    shown = [
        PagePicture(panels[-1].read_bytes(), label)
        for label in found.order
        if (panels := found.groups[label][0].panels)
    ]
    return [PageSection("Examples", pictures=shown)] if shown else []


def _runs(found: Comparison) -> PageSection:
    rows = [
        [label, str(run.seed), _number(run.scores.get(found.metric, math.nan)), str(run.path)]
        for label in found.order
        for run in found.groups[label]
    ]
    return PageSection("Runs", tables=[PageTable(["group", "seed", found.metric, "folder"], rows)])


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _p(value: float) -> str:
    if math.isnan(value):
        return ""
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
