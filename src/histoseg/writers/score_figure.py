"""One figure of a report: classes, IoU thresholds, confusion, single images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from histoseg.contracts import Array, Difference, Report, Score
from histoseg.writers.figures import COLOURS, FAINT, GRID, INK, STYLE, new_figure, save_figure
from histoseg.writers.score_files import confusion_labels
from histoseg.writers.score_table import OVERALL

MOST_TISSUES = 24  # rows of a panel that can still be read


def write_score_figure(path: Path, report: Report, title: str = "") -> Path:
    """Draw a report on one page, as PNG.

    Four panels: scores of each class with their intervals (of the whole set where there are no
    classes); average precision over IoU; which class was taken for which (annotated against
    predicted numbers where there are no classes); and the scores of single images.

    Args:
        path: Of the PNG.
        report: The scores.
        title: Of the page.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    with rc_context(STYLE):
        figure = new_figure(12, 9)
        (bars, curve), (table, spread) = figure.subplots(2, 2)
        figure.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold", color=INK)
        _draw_bars(bars, report)
        _draw_precision(curve, report)
        _draw_confusion(table, report) if report.classes else _draw_numbers(table, report)
        _draw_images(spread, report)
        return save_figure(figure, path)


def write_comparison_figure(
    path: Path, differences: Sequence[Difference], names: tuple[str, str]
) -> Path:
    """Draw the differences of two models with their intervals, as PNG.

    Args:
        path: Of the PNG.
        differences: Second minus first.
        names: Of the first and the second model.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    shown = [d for d in differences if d.first.name in OVERALL or d.first.group == "class"]
    shown = [d for d in shown if d.first.group != "tissue" and np.isfinite(d.value)][::-1]
    with rc_context(STYLE):
        figure = new_figure(8, 1.2 + 0.24 * len(shown))
        axes = figure.subplots()
        rows = np.arange(len(shown))
        low, high = ([getattr(d, end) for d in shown] for end in ("low", "high"))
        clear = np.array([d.low > 0 or d.high < 0 for d in shown])
        colours = np.where(clear, COLOURS[0], FAINT)
        axes.hlines(rows, low, high, colors=colours.tolist(), linewidth=2)
        axes.scatter([d.value for d in shown], rows, c=colours.tolist(), s=22, zorder=3)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(rows, [_label(d.first) for d in shown])
        axes.set_ylim(-0.8, len(shown) - 0.2)
        axes.set_title(f"{names[1]} minus {names[0]}; line: confidence interval, grey: holds 0")
        axes.grid(axis="x", color=GRID)
        axes.set_axisbelow(True)
        return save_figure(figure, path)


def _draw_bars(axes: Axes, report: Report) -> None:
    columns = (("pq", "image mean"), ("pq", "pooled"), ("f1", "pooled"))
    if report.classes:
        rows = [[_find(report, "class", c, *column) for c in report.classes] for column in columns]
        labels: Sequence[str] = report.classes
        axes.set_title("By class")
    else:
        labels = ("pq", "dq", "sq", "dice", "aji", "aji_plus")
        rows = [[_find(report, "overall", "", name, "image mean") for name in labels]]
        columns = (("", "image mean"),) * 3
        axes.set_title("All nuclei")
    width = 0.8 / len(rows)
    for i, scores in enumerate(rows):
        x = np.arange(len(scores)) + (i - (len(rows) - 1) / 2) * width
        name = " ".join(columns[i]).replace("pq", "PQ").replace("f1", "F1").strip()
        value, around = _values(scores)
        axes.bar(x, value, 0.88 * width, color=COLOURS[i], label=name, zorder=2)
        axes.errorbar(x, value, around, fmt="none", ecolor=INK, elinewidth=1, capsize=2, zorder=3)
    slanted = len(labels) > 6 or max(map(len, labels)) > 12
    axes.set_xticks(
        np.arange(len(labels)), labels, rotation=25 * slanted, ha="right" if slanted else "center"
    )
    axes.set_ylim(0, 1)
    axes.grid(axis="y", color=GRID, zorder=0)
    axes.legend(frameon=False, loc="upper right", ncols=3, borderaxespad=0)


def _draw_precision(axes: Axes, report: Report) -> None:
    percents = range(50, 100, 5)
    for colour, average in zip(COLOURS, ("pooled", "image mean"), strict=False):
        scores = [_find(report, "overall", "", f"ap_{p}", average) for p in percents]
        x = np.array(percents) / 100
        value, around = _values(scores)
        axes.fill_between(x, value - around[0], value + around[1], color=colour, alpha=0.18, lw=0)
        mean = _find(report, "overall", "", "ap_50_95", average)
        known = "" if mean is None else f", mean {mean.value:.3f}"
        axes.plot(x, value, "o-", color=colour, ms=4, label=f"{average}{known}")
    axes.set(xlim=(0.48, 0.97), ylim=(0, 1), xlabel="IoU that a match needs")
    axes.set_ylabel("TP / (TP + FP + FN)")
    axes.set_title("Average precision")
    axes.grid(color=GRID)
    axes.legend(frameon=False)


def _draw_confusion(axes: Axes, report: Report) -> None:
    counts, labels = report.confusion, confusion_labels(report.classes)
    keep = [i for i in range(len(labels)) if i >= 2 or counts[i].any() or counts[:, i].any()]
    keep = [*(i for i in keep if i >= 2), *(i for i in keep if i < 2)]
    counts, labels = counts[np.ix_(keep, keep)], [labels[i] for i in keep]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), number in np.ndenumerate(counts):
        if number:
            colour = "white" if share[row, column] > 0.55 else INK
            text = f"{number:,}\n{100 * share[row, column]:.0f} %"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7.5)
    axes.set_xticks(range(len(labels)), labels, rotation=25, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="annotated")
    axes.set_title("Nuclei paired by centre; shares of a row")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _draw_numbers(axes: Axes, report: Report) -> None:
    true, pred = (
        np.array([row[f"{side}_nuclei"] for row in report.images]) for side in ("true", "pred")
    )
    most = max(int(true.max()), int(pred.max()), 1)
    axes.plot([0, most], [0, most], color=FAINT, lw=1, ls="--")
    axes.scatter(true, pred, s=16, color=COLOURS[0], alpha=_alpha(len(true)), lw=0)
    axes.set(xlabel="nuclei annotated", ylabel="nuclei predicted")
    axes.set_title("Nuclei in each image")
    axes.grid(color=GRID)


def _draw_images(axes: Axes, report: Report) -> None:
    tissues = sorted({str(row["tissue"]) for row in report.images} - {""})
    if 1 < len(tissues) <= MOST_TISSUES:
        samples = {t: _column(report, "pq", t) for t in tissues}
        axes.set_title("PQ of each image, by tissue")
    else:
        samples = {name: _column(report, name) for name in ("pq", "dq", "sq", "aji", "dice")}
        axes.set_title("Each image")
    names = [name for name, values in samples.items() if len(values)][::-1]
    rng = np.random.default_rng(0)  # of the jitter only
    for row, name in enumerate(names):
        values = samples[name]
        jitter = row + rng.uniform(-0.22, 0.22, len(values))
        axes.scatter(
            values,
            jitter,
            s=18 if len(values) < 30 else 7,
            color=COLOURS[0],
            alpha=_alpha(len(values)),
            lw=0,
        )
        axes.plot([np.median(values)] * 2, [row - 0.32, row + 0.32], color=COLOURS[1], lw=2.2)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(-0.02, 1.02), xlabel="score of an image; orange: median")
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)


def _column(report: Report, name: str, tissue: str | None = None) -> Array:
    rows = (row for row in report.images if tissue is None or row["tissue"] == tissue)
    values = np.array([row[name] for row in rows], dtype=np.float64)
    return values[~np.isnan(values)]


def _alpha(number: int) -> float:
    return float(np.clip(25 / max(number, 1) ** 0.6, 0.12, 0.8))


def _find(report: Report, group: str, of: str, name: str, average: str) -> Score | None:
    wanted = (group, of, name, average)
    return next((s for s in report.scores if (s.group, s.of, s.name, s.average) == wanted), None)


def _values(scores: Sequence[Score | None]) -> tuple[Array, Array]:
    """Scores (n,), and how far the interval reaches below and above them (2, n)."""
    rows = [(np.nan,) * 3 if s is None else (s.value, s.low, s.high) for s in scores]
    value, low, high = np.array(rows, dtype=np.float64).T
    return np.nan_to_num(value), np.nan_to_num(np.maximum([value - low, high - value], 0))


def _label(score: Score) -> str:
    return f"{score.name} {score.of}".strip() + f" ({score.average})"
