"""Curves of learning-rate range tests in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import rc_context

from histoseg.contracts import Array
from histoseg.writers.figures import COLOURS, GRID, STYLE, new_figure, save_figure

Curve = tuple[Array, Array]
"""Learning rates and losses, each (N,)."""
MARKS = {"valley": "o", "steep": "v", "minimum": "s", "slide": "D"}
SKIPPED = 10, 5
"""Points left out at the start and at the end."""
HIGHEST = 4.0


def write_lr_figure(
    path: Path,
    curves: Mapping[str, Curve],
    suggestions: Mapping[str, Mapping[str, float]] | None = None,
) -> Path:
    """Draw losses over learning rates, as PNG: each relative to its lowest where all are positive.

    Args:
        path: Of the PNG.
        curves: Rates and losses by label.
        suggestions: Rates to mark on each curve, by rule.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    shown = {label: _middle(curve) for label, curve in curves.items()}
    relative = all((losses > 0).all() for _, losses in shown.values())
    with rc_context(STYLE):
        figure = new_figure(8, 5)
        axes = figure.subplots()
        for i, (label, (lrs, losses)) in enumerate(shown.items()):
            colour = COLOURS[i % len(COLOURS)]
            values = losses / losses.min(initial=np.inf) if relative else losses
            style = ("-", "--", ":")[i // len(COLOURS) % 3]
            axes.plot(lrs, values, style, color=colour, label=label, lw=1.8)
            said = sorted((suggestions or {}).get(label, {}).items(), key=lambda item: item[1])
            for number, (rule, lr) in enumerate(said):
                at = np.interp(np.log(lr), np.log(lrs), values)
                axes.plot(lr, at, MARKS[rule], color=colour, ms=7, mec="white", zorder=3)
                shift = (6, 7) if number % 2 else (-6, -15)  # neighbours stay readable
                side = "left" if number % 2 else "right"
                text = f"{rule} {lr:.1e}"
                axes.annotate(text, (lr, at), shift, textcoords="offset points", ha=side)
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss / its lowest" if relative else "loss")
        if relative:
            axes.set_ylim(0.9, min(HIGHEST, 1.05 * max(axes.get_ylim()[1], 1.2)))
        axes.set_title("Loss over a rising learning rate, smoothed")
        axes.grid(color=GRID)
        if len(shown) > 1:
            axes.legend(frameon=False, fontsize=8)
        return save_figure(figure, path)


def _middle(curve: Curve) -> Curve:
    lrs, losses = curve
    first, last = SKIPPED if len(lrs) > 2 * sum(SKIPPED) else (0, 0)
    some = slice(first, len(lrs) - last)
    return lrs[some], losses[some]
