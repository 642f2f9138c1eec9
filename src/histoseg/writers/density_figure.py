"""A density map over its image, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, patheffects, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from histoseg.contracts import Array
from histoseg.writers.figures import DPI, INK, STYLE
from histoseg.writers.hotspots import Marked, pen
from histoseg.writers.picture import write_png

MAP = "inferno_r"  # pale where little is, on white as on tissue; readable without colour vision
LEAST_SIDE, MOST_SIDE = 4.0, 13.0  # inches of the map
OPAQUE = 0.85
REGION = "#1769aa"
ROUND = (1, 2, 5)


@dataclass(frozen=True)
class DensityPicture:
    """What is drawn.

    Attributes:
        values: (rows, columns), float; NaN is left clear.
        label: What the values are, with unit.
        side: Of a bin, px.
        size: (height, width) of the image, px.
        title: Of the page.
        image: (h, w, 3), uint8: the whole image, small; None draws on white.
        mpp: Micrometres per pixel; None where unknown.
        hotspots: Frames to draw.
        regions: Outlines (K, 2) to draw, by name; pixel centres on integers.
        smooth: Whether values are smooth, so that bins need not be seen.
        note: A line below.
    """

    values: Array
    label: str
    side: int
    size: tuple[int, int]
    title: str = ""
    image: Array | None = None
    mpp: float | None = None
    hotspots: Sequence[Marked] = ()
    regions: Mapping[str, Sequence[Array]] = field(default_factory=dict)
    smooth: bool = False
    note: str = ""


def write_density_picture(path: Path, picture: DensityPicture) -> Path:
    """Draw the map over the image with colour bar, scale bar, frames of hotspots and a legend.

    Raises:
        OSError: If it cannot be written.
    """
    height, width = picture.size
    scale = MOST_SIDE * 0.75 / max(height, width)
    sides = [max(n * scale, LEAST_SIDE) for n in (width, height)]
    with rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
        figure = Figure(figsize=(sides[0] + 1.6, sides[1] + 1.3), dpi=DPI, layout=layout)
        axes = figure.subplots()
        norm = Normalize(0, _top(picture.values))
        _draw_map(axes, picture, norm)
        bar = figure.colorbar(ScalarMappable(norm, MAP), ax=axes, fraction=0.046, pad=0.02)
        bar.set_label(picture.label)
        bar.outline.set_visible(False)
        _draw_frames(axes, picture)
        _draw_scale(axes, picture)
        axes.set_title(picture.title)
        axes.set_xlabel(picture.note, loc="left", fontsize=8)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        return write_png(path, np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))


def scale_length(width_um: float) -> float:
    """A round length of about a fifth of the width, µm.

    Example:
        >>> scale_length(1300.0)
        200.0
    """
    power = 10.0 ** np.floor(np.log10(width_um / 5))
    return float(max(step * power for step in ROUND if step * power <= width_um / 5 * (1 + 1e-9)))


def _top(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size and known.max() > 0 else 1.0


def _draw_map(axes: Axes, picture: DensityPicture, norm: Normalize) -> None:
    height, width = picture.size
    if picture.image is not None:
        grey = picture.image.mean(axis=-1, keepdims=True).repeat(3, -1)
        pale = (0.5 * picture.image + 0.5 * grey) * 0.75 + 255 * 0.25
        axes.imshow(pale.astype(np.uint8), extent=(0, width, height, 0))
    share = np.nan_to_num(norm(picture.values).filled(0.0))
    colours = colormaps[MAP](share)
    colours[..., 3] = np.where(np.isfinite(picture.values), np.minimum(share * 4, 1) * OPAQUE, 0)
    rows, columns = picture.values.shape
    axes.imshow(
        colours,
        extent=(0, columns * picture.side, rows * picture.side, 0),
        interpolation="bilinear" if picture.smooth else "nearest",
    )
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(True)


def _draw_frames(axes: Axes, picture: DensityPicture) -> None:
    halo: list[Any] = [patheffects.withStroke(linewidth=3.5, foreground="white")]
    entries: list[Line2D] = []
    for rings in picture.regions.values():
        for ring in rings:
            closed = np.concatenate([ring, ring[:1]]) + 0.5
            axes.plot(*closed.T, color=REGION, lw=1.5, path_effects=halo)
    if picture.regions:
        names = list(picture.regions)
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        entries.append(Line2D([], [], color=REGION, lw=1.5, label=f"regions: {shown}"))
    for number, one in enumerate(picture.hotspots):
        left, top, right, bottom = one.box
        red, green, blue = pen(number)
        colour = red / 255, green / 255, blue / 255
        dark = [patheffects.withStroke(linewidth=3.5, foreground=INK if number % 6 < 5 else "w")]
        frame = Rectangle(
            (left, top),
            right - left,
            bottom - top,
            fill=False,
            ec=colour,
            lw=1.8,
            path_effects=dark,
        )
        axes.add_patch(frame)
        text = axes.text(left, top, f" {number + 1}", color=INK, va="bottom", weight="bold")
        text.set_path_effects(halo)
        entries.append(Line2D([], [], color=colour, lw=1.8, path_effects=dark, label=one.name))
    if entries:
        axes.legend(
            handles=entries,
            loc="upper left",
            bbox_to_anchor=(0, -0.05),
            ncols=6,
            frameon=False,
            borderaxespad=0,
        )


def _draw_scale(axes: Axes, picture: DensityPicture) -> None:
    height, width = picture.size
    mpp = picture.mpp or 1.0
    length = scale_length(width * mpp)
    unit = "px" if picture.mpp is None else "µm"
    text = f"{length / 1000:g} mm" if unit == "µm" and length >= 1000 else f"{length:g} {unit}"
    left, low = 0.03 * width, height * 0.965
    halo = [patheffects.withStroke(linewidth=4, foreground="white")]
    axes.plot(
        [left, left + length / mpp], [low, low],
        color=INK, lw=3, solid_capstyle="butt",
        path_effects=[patheffects.withStroke(linewidth=6, foreground="white")],
    )  # fmt: skip
    axes.text(
        left + length / mpp / 2, low - height * 0.012, text, ha="center", va="bottom",
        color=INK, path_effects=halo,
    )  # fmt: skip
