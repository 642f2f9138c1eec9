"""Figures of runs: curves, bars with spread, trade-offs, matrices; each a PNG in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from histoseg.contracts import Array
from histoseg.writers.figures import COLOURS, FAINT, GRID, INK, STYLE, drawn, new_figure

Line = tuple[Sequence[float], Sequence[float]]
"""x and y."""
STYLES = ("-", "--", ":", "-.")
COLUMNS = 3


def curves_figure(panels: Mapping[str, Mapping[str, Sequence[Line]]]) -> Array:
    """Draw curves over epochs, a panel for each metric.

    Args:
        panels: By metric, then by label: the lines of that label (seeds share a colour).

    Returns:
        (H, W, 3), uint8.
    """
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    labels = list(dict.fromkeys(label for lines in panels.values() for label in lines))
    with rc_context(STYLE):
        figure = new_figure(4 * columns + (1 if columns == 1 else 0), 2.9 * rows)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (metric, lines) in zip(grid, panels.items(), strict=False):
            for label, some in lines.items():
                place = labels.index(label)
                colour, style = COLOURS[place % len(COLOURS)], STYLES[place // len(COLOURS) % 4]
                for number, (x, y) in enumerate(some):
                    name = label if number == 0 else None
                    marker = "o" if len(x) == 1 else None
                    axes.plot(x, y, style, color=colour, lw=1.5, label=name, marker=marker, ms=4)
            axes.set_title(metric)
            axes.grid(color=GRID)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes in grid[max(len(panels) - columns, 0) : len(panels)]:
            axes.set_xlabel("epoch")
        if len(labels) > 1:
            _legend(figure, grid[0])
        return drawn(figure)


def bars_figure(
    rows: Mapping[str, Mapping[str, tuple[float, float]]], metrics: Sequence[str]
) -> Array:
    """Draw means with their spread, a panel for each metric, a bar for each label.

    The axis begins below the lowest value, not at 0, unless a value is below or near it.

    Args:
        rows: By label, then by metric: mean and standard deviation (NaN without).
        metrics: To draw, in this order.

    Returns:
        (H, W, 3), uint8.
    """
    columns = min(COLUMNS, len(metrics))
    lines = -(-len(metrics) // columns)
    labels = list(rows)
    with rc_context(STYLE):
        figure = new_figure(
            4 * columns + (2 if columns == 1 else 0), lines * (1 + 0.3 * len(labels))
        )
        grid = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        y = np.arange(len(labels))[::-1]
        for axes, metric in zip(grid, metrics, strict=False):
            pairs = np.array([rows[label].get(metric, (np.nan, np.nan)) for label in labels])
            mean, spread = pairs[:, 0], np.nan_to_num(pairs[:, 1])
            colours = [COLOURS[i % len(COLOURS)] for i in range(len(labels))]
            axes.barh(y, np.nan_to_num(mean), 0.66, color=colours, zorder=2)
            axes.errorbar(
                mean, y, xerr=spread, fmt="none", ecolor=INK, elinewidth=1, capsize=3, zorder=3
            )
            axes.set_yticks(y, labels)
            axes.set_title(metric)
            axes.grid(axis="x", color=GRID)
            axes.set_xlim(*_limits(mean - spread, mean + spread))
        for axes in grid[len(metrics) :]:
            axes.set_visible(False)
        return drawn(figure)


def tradeoff_figure(key: str, lines: Mapping[str, Sequence[tuple[float, float, float]]]) -> Array:
    """Draw metrics over a number that was varied.

    Args:
        key: What was varied.
        lines: By metric: value of the key, mean and standard deviation of the metric.

    Returns:
        (H, W, 3), uint8.
    """
    with rc_context(STYLE):
        figure = new_figure(7.5, 4.4)
        axes = figure.subplots()
        for i, (metric, points) in enumerate(lines.items()):
            x, mean, spread = np.array(sorted(points)).T
            colour = COLOURS[i % len(COLOURS)]
            axes.errorbar(
                x,
                mean,
                np.nan_to_num(spread),
                color=colour,
                marker="o",
                ms=5,
                capsize=3,
                label=metric,
            )
            if x.min() > 0 and x.max() >= 20 * x.min():
                axes.set_xscale("log")
        axes.set_xlabel(key)
        axes.grid(color=GRID)
        axes.set_title(f"Scores over {key}")
        axes.legend(frameon=False)
        return drawn(figure)


def matrix_figure(rows: Sequence[str], columns: Sequence[str], values: Array, title: str) -> Array:
    """Draw a table of numbers as coloured cells.

    Args:
        rows: Their names, R.
        columns: Their names, C.
        values: (R, C), floating point; NaN is left white.
        title: Above.

    Returns:
        (H, W, 3), uint8.
    """
    with rc_context(STYLE):
        longest = max(map(len, rows))
        figure = new_figure(2 + 0.075 * longest + 1.15 * len(columns), 1.3 + 0.42 * len(rows))
        axes = figure.subplots()
        shown = np.ma.masked_invalid(values)
        axes.imshow(shown, cmap="Blues", aspect="auto")
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if value > middle else INK
                axes.text(j, i, f"{value:.3f}", ha="center", va="center", color=colour)
        axes.set_xticks(range(len(columns)), columns, rotation=20, ha="right")
        axes.set_yticks(range(len(rows)), rows)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, color=FAINT)
        axes.set_title(title)
        return drawn(figure)


def _limits(low: Array, high: Array) -> tuple[float, float]:
    low, high = low[np.isfinite(low)], high[np.isfinite(high)]
    if not len(low):
        return 0.0, 1.0
    start, end = float(low.min()), float(high.max())
    room = max(end - start, 1e-3 * max(abs(end), 1e-6))
    if start < 0 or start < room:
        return min(0.0, start - 0.1 * room), end + 0.1 * room
    return start - 0.25 * room, end + 0.1 * room


def _legend(figure: Figure, axes: object) -> None:
    handles, labels = axes.get_legend_handles_labels()  # type: ignore[attr-defined]
    figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=8)
