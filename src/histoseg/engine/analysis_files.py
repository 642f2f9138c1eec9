"""Files about one slide that was analysed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from histoseg.analysis import DensityGrid
from histoseg.contracts import Array
from histoseg.engine.index_question import IndexQuestion
from histoseg.engine.index_rows import NO_CLASS, Row, columns_of
from histoseg.engine.nuclei_of import Given, SlideNuclei
from histoseg.writers import (
    DensityPicture,
    Marked,
    write_csv,
    write_density_csv,
    write_density_picture,
    write_density_tiff,
    write_hotspots_geojson,
    write_hotspots_sedeen,
)


@dataclass(frozen=True)
class Lengths:
    """Sizes in whole px (but the SD), of one slide."""

    bin: int
    smooth: float
    window: int


def write_grid(
    nuclei: SlideNuclei,
    grid: DensityGrid,
    question: IndexQuestion,
    cfg: DictConfig,
    lengths: Lengths,
    marked: Sequence[Marked],
    folder: Path,
) -> None:
    """Write the density map of a slide as PNG, TIFF and CSV."""
    values, label = _map(nuclei, grid, question, cfg, lengths)
    names = (NO_CLASS, *nuclei.classes)
    shown = range(0 if grid.counts[0].any() or not nuclei.classes else 1, len(names))
    counts = {names[k] if nuclei.classes else "nuclei": grid.counts[k] for k in shown}
    side_um = None if nuclei.mpp is None else grid.bin * nuclei.mpp
    layers = {label.replace("²", "2"): values, **counts}  # TIFF knows ASCII only
    write_density_tiff(folder / f"{nuclei.name}.tif", layers, side_um)
    write_density_csv(folder / f"{nuclei.name}.csv", counts, {label: values}, grid.bin)
    side = f"{grid.bin} px" + (f" ({side_um:.4g} µm)" if side_um else "")
    smooth = f", smoothed by {lengths.smooth:.4g} px" if lengths.smooth else ""
    picture = DensityPicture(
        values=values,
        label=label,
        side=grid.bin,
        size=nuclei.size,
        title=f"{nuclei.name}: {len(nuclei.xy):,} nuclei",
        image=None if nuclei.slide is None else nuclei.slide.thumbnail(cfg.thumbnail),
        mpp=nuclei.mpp,
        hotspots=marked,
        regions={region.name: region.rings for region in nuclei.regions},
        smooth=lengths.smooth > 0,
        note=f"bins of {side}{smooth}",
    )
    write_density_picture(folder / f"{nuclei.name}.png", picture)


def _map(
    nuclei: SlideNuclei,
    grid: DensityGrid,
    question: IndexQuestion,
    cfg: DictConfig,
    lengths: Lengths,
) -> tuple[Array, str]:
    if cfg.map == "ratio":
        values = grid.ratio(question.part, question.whole, cfg.least, lengths.smooth)
        return values, "positive / counted nuclei"
    values = grid.density(question.part, lengths.smooth)
    if nuclei.mpp is None:
        return values * 1e6, f"{question.label} per megapixel"
    return values / nuclei.mpp**2 * 1e6, f"{question.label} per mm²"


def write_hotspots(
    nuclei: SlideNuclei, given: Given, marked: Sequence[Marked], rows: Sequence[Row], folder: Path
) -> None:
    """Write the hotspots of a slide for QuPath and Sedeen, and as a table."""
    name, image = nuclei.name, given.image.name if given.image else nuclei.name
    write_hotspots_geojson(folder / f"{name}.geojson", name, marked, nuclei.origin)
    write_hotspots_sedeen(folder / f"{name}.session.xml", image, nuclei.size, nuclei.mpp, marked)
    mine = [row for row in rows if row["kind"] == "hotspot"]
    write_rows(folder / f"{name}.csv", mine, columns_of(rows))


def write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write rows as a table; what says nothing is empty."""
    write_csv(path, columns, [[_cell(row.get(key)) for key in columns] for row in rows])


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if value != value else float(f"{value:.8g}")
    return "" if value is None else value
