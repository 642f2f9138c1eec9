"""How figures look, and how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from histoseg.contracts import Array
from histoseg.writers.picture import write_png

INK, FAINT, GRID = "#22303c", "#7a8794", "#e3e8ec"
COLOURS = ("#2b6cb0", "#e07b39", "#3a9c7d", "#a05195", "#c94f4f", "#6b7a2a", "#4aa3c7", "#8a6d3b")
STYLE: Any = {
    "font.size": 9, "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.edgecolor": FAINT,
    "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left",
}  # fmt: skip
DPI = 130


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches, to be drawn with ``rc_context(STYLE)``."""
    layout = ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1)
    return Figure(figsize=(width, height), dpi=DPI, layout=layout)


def drawn(figure: Figure) -> Array:
    """A figure as a picture (H, W, 3), uint8."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # once; savefig would draw twice, to lay out and to write
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    return write_png(path, drawn(figure))
