"""Scores as an aligned text table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from histoseg.contracts import Difference, Report, Score

AVERAGES = ("image mean", "tissue mean", "class mean", "pooled")
OVERALL = (
    *("pq", "dq", "sq", "dice", "dice2", "aji", "aji_plus", "bpq", "mpq", "mpq_plus"),
    *("f1_detection", "precision_detection", "recall_detection", "type_accuracy"),
    *("ap_50", "ap_75", "ap_50_95"),
)
BY_CLASS = (
    *(("pq", "image mean"), ("pq", "pooled"), ("f1", "pooled")),
    *(("precision", "pooled"), ("recall", "pooled")),
)
BY_TISSUE = (
    *(("mpq", "image mean"), ("bpq", "image mean"), ("pq", "image mean")),
    *(("dice", "image mean"), ("f1_detection", "pooled")),
)
NUCLEI = ("true_nuclei", "pred_nuclei")
GAP = "  "


def score_table(report: Report) -> str:
    """Set a report as text: overall, by class, by tissue; columns say how images were averaged.

    The other numbers of the report (further IoU thresholds, single images) are in its files.

    Args:
        report: The scores.

    Returns:
        Lines of equal columns, without a final line break.
    """
    found = {(s.group, s.of, s.name, s.average): s for s in report.scores}
    used = [
        a for a in AVERAGES if any(s.group == "overall" and s.average == a for s in found.values())
    ]
    rows = [["overall", *used]]
    for name in OVERALL:
        scores = [found.get(("overall", "", name, average)) for average in used]
        if any(scores):
            rows.append([f"  {name}", *map(_cell, scores)])
    blocks = [_caption(report), aligned(rows)]
    for group, columns in (("class", BY_CLASS), ("tissue", BY_TISSUE)):
        blocks += _block(group, columns, report.scores)
    return "\n\n".join(blocks)


def image_mean_table(scores: Sequence[Score]) -> str:
    """Set means over images as text: a line a score, a column for all images and each tissue.

    Args:
        scores: Of `histoseg.metrics.report.image_scores`.

    Returns:
        Lines of equal columns.
    """
    wholes = list(dict.fromkeys(score.of for score in scores))
    found = {(score.name, score.of): score for score in scores}
    counts = {whole: max(s.n for s in scores if s.of == whole) for whole in wholes}
    head = ["mean over images", *(f"{w or 'all'} ({counts[w]:,})" for w in wholes)]
    names = dict.fromkeys(score.name for score in scores)
    return aligned(
        [head, *([f"  {n}", *(_cell(found.get((n, w))) for w in wholes)] for n in names)]
    )


def comparison_table(differences: Sequence[Difference], names: tuple[str, str]) -> str:
    """Set the differences of two models as text, of the same numbers as `score_table` shows.

    Args:
        differences: Second minus first.
        names: Of the first and the second model.

    Returns:
        Lines of equal columns.
    """
    header = ["score", "average", *names, "difference", "p permuted", "p Wilcoxon"]
    rows = [header]
    shown = {("class", *column) for column in BY_CLASS} | {
        ("overall", name, average) for name in OVERALL for average in AVERAGES
    }
    for d in differences:
        s = d.first
        if (s.group, s.name, s.average) in shown:
            label = f"{s.name} {s.of}".strip()
            values = [f"{d.first.value:.4f}", f"{d.second.value:.4f}"]
            change = f"{d.value:+.4f}{_range(d.low, d.high, '+')}"
            rows.append(
                [label, s.average, *values, change, *map(_p, (d.p_permutation, d.p_wilcoxon))]
            )
    n = differences[0].n if differences else 0
    return f"difference is {names[1]} minus {names[0]}; n = {n} pairs\n\n{aligned(rows)}"


def _caption(report: Report) -> str:
    true, pred = (
        sum(int(row[f"{side}_nuclei"]) for row in report.images) for side in ("true", "pred")
    )
    text = f"{len(report.images):,} images, {true:,} nuclei annotated, {pred:,} predicted"
    settings = report.settings
    if not any(math.isfinite(s.low) for s in report.scores):
        return f"{text}; no confidence intervals"
    share, number = 100 * settings["confidence"], settings["bootstrap"]
    drawn = f"{settings['draw_from']:,} {settings['drawn']}"
    return f"{text}; in brackets {share:g} % of {number:,} bootstrap draws of {drawn}"


def _block(group: str, columns: Iterable[tuple[str, str]], scores: Iterable[Score]) -> list[str]:
    mine = {(s.of, s.name, s.average): s for s in scores if s.group == group}
    names = list(dict.fromkeys(of for of, _, _ in mine))
    used = [c for c in columns if any((name, *c) in mine for name in names)]
    if not names:
        return []
    counted = [
        s for s in mine.values() if s.average == ("pooled" if group == "class" else "image mean")
    ]
    n = {name: max(s.n for s in counted if s.of == name) for name in names}
    rows = [[f"by {group}", "", *(name for name, _ in used)]]
    rows.append(["", "nuclei" if group == "class" else "images", *(average for _, average in used)])
    for name in names:
        cells = [_cell(mine.get((name, *column))) for column in used]
        rows.append([f"  {name}", f"{n[name]:,}", *cells])
    return [aligned(rows)]


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    if math.isnan(score.value):
        return "-"
    return f"{score.value:.4f}{_range(score.low, score.high)}"


def _range(low: float, high: float, sign: str = "") -> str:
    return f" [{low:{sign}.3f}, {high:{sign}.3f}]" if math.isfinite(low) else ""


def _p(value: float) -> str:
    if math.isnan(value):
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equally many cells as lines of equal columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (GAP.join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
