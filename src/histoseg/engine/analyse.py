"""Density maps, hotspots and indices of nuclei that are in files."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.analysis import (
    DensityGrid,
    Hotspot,
    Wanted,
    exact_hotspots,
    grid_hotspots,
)
from histoseg.analysis.density import pixels_of
from histoseg.annotations import read_type_info
from histoseg.contracts import Array
from histoseg.engine.analysis_files import Lengths, write_grid, write_hotspots, write_rows
from histoseg.engine.index_question import IndexQuestion
from histoseg.engine.index_rows import Row, columns_of, index_rows, table_of
from histoseg.engine.nuclei_of import Given, SlideNuclei, find_given, load_nuclei
from histoseg.engine.record import write_provenance
from histoseg.errors import ContractError, SlideError, UnreadableFileError
from histoseg.slides import TissueMask
from histoseg.writers import (
    Marked,
    aligned,
    write_csv,
)

log = logging.getLogger(__name__)
LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(px|um|µm|μm|mm)?\s*")
MICROMETRES = {"um": 1.0, "µm": 1.0, "μm": 1.0, "mm": 1000.0}
CHOICES = {"map": ("density", "ratio"), "on_error": ("skip", "raise")}
LEAST_OF_RATIO = 100
SKIPPED = "skipped.csv"
BROKEN = (ContractError, SlideError, UnreadableFileError, OSError, ValueError)
MEASURED = (
    "nuclei",
    "per_mm2",
    "positive",
    "counted",
    "index",
    "index_low",
    "index_high",
    "h_score",
)


def analyse(cfg: DictConfig) -> list[Row]:
    """Analyse each file of nuclei; one that is broken does not stop the others.

    Args:
        cfg: Composed from ``conf/analyse.yaml``.

    Returns:
        The rows of ``summary.csv``.

    Raises:
        ContractError: If a class or an image does not fit, with ``on_error=raise``.
        DatasetNotFoundError: If a file or folder is not there.
        UnreadableFileError: After all else is written, if files could not be analysed.
        ValueError: If a setting is not one of those that there are.
    """
    classes = _classes(cfg)
    _check_settings(cfg, classes)
    given, output = find_given(cfg), Path(cfg.output)
    write_provenance(cfg, output)
    rows: list[Row] = []
    skipped: list[tuple[str, str]] = []
    for one in tqdm(given, unit="slide", disable=len(given) < 2 or not sys.stderr.isatty()):
        try:
            rows += _analyse_one(one, cfg, classes, output)
        except BROKEN as error:
            if cfg.on_error == "raise" or len(given) == 1:
                raise
            skipped.append((one.name, str(error)))
            log.error("%s: %s", one.name, error)
    _finish(output, rows, skipped, len(given))
    return rows


def _classes(cfg: DictConfig) -> tuple[str, ...] | None:
    if cfg.classes is not None and cfg.type_info is not None:
        raise ValueError("classes= and type_info= both name the classes: give one")
    if cfg.type_info is not None:
        return read_type_info(Path(cfg.type_info)).classes
    return None if cfg.classes is None else tuple(map(str, cfg.classes))


def _check_settings(cfg: DictConfig, classes: Sequence[str] | None) -> None:
    spots = cfg.hotspots
    allowed = [(key, cfg[key], values) for key, values in CHOICES.items()]
    allowed.append(("hotspots.by", spots.by, CHOICES["map"]))
    for key, value, values in allowed:
        if value not in values:
            raise ValueError(f"{key}={value}: expected one of {', '.join(values)}")
    if not 0 < cfg.confidence < 1 or spots.number < 0:
        raise ValueError(
            f"confidence={cfg.confidence} hotspots.number={spots.number}: expected a share such as"
            " 0.95 and 0 or more"
        )
    if cfg.mpp is not None and not cfg.mpp > 0:
        raise ValueError(f"mpp={cfg.mpp}: expected micrometres per pixel, such as 0.25")
    for key, text in (("bin", cfg.bin), ("smooth", cfg.smooth), ("hotspots.window", spots.window)):
        length_px(key, text, 1.0)
    if classes is not None:
        IndexQuestion.of(classes, cfg, "the list")


def length_px(key: str, text: Any, mpp: float | None) -> float:
    """A length such as ``50px``, ``25um`` or ``1mm`` in pixels.

    Args:
        key: What it is, for messages.
        text: With its unit; none is pixels.
        mpp: Micrometres per pixel.

    Raises:
        ValueError: If it is no length, or micrometres of an image of unknown resolution.

    Example:
        >>> length_px("bin", "25um", 0.5)
        50.0
    """
    match = LENGTH.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{key}={text}: expected a length such as 50px, 25um or 1mm")
    number, unit = float(match[1]), match[2] or "px"
    if unit == "px":
        return number
    if mpp is None:
        raise ValueError(
            f"{key}={text} is in {unit}, and nothing says how large a pixel is: give mpp=, an"
            " image= that says it, or px"
        )
    return number * MICROMETRES[unit] / mpp


def _analyse_one(
    given: Given, cfg: DictConfig, classes: Sequence[str] | None, output: Path
) -> list[Row]:
    nuclei = load_nuclei(given, cfg, classes)
    question = IndexQuestion.of(nuclei.classes, cfg, str(given.nuclei))
    if not question.indexed and "ratio" in (cfg.map, cfg.hotspots.by):
        raise ContractError(
            f"{given.nuclei}: a ratio needs positive classes; give positive=[...] of"
            f" {', '.join(nuclei.classes) or 'a file with classes'}"
        )
    lengths = _lengths(cfg, nuclei)
    grid = DensityGrid.of(nuclei.xy, nuclei.kinds, len(nuclei.classes), nuclei.size, lengths.bin)
    spots = _hotspots(nuclei, grid, question, lengths, cfg)
    rows = index_rows(nuclei, question, spots, cfg.confidence)
    marked = [
        Marked(row["name"], one.box, {k: float(row[k]) for k in MEASURED if k in row})
        for row, one in zip(rows[len(rows) - len(spots) :], spots, strict=True)
    ]
    write_grid(nuclei, grid, question, cfg, lengths, marked, output / "density")
    write_hotspots(nuclei, given, marked, rows, output / "hotspots")
    if nuclei.slide is not None:
        nuclei.slide.close()
    return rows


def _lengths(cfg: DictConfig, nuclei: SlideNuclei) -> Lengths:
    bin_px = max(1, round(length_px("bin", cfg.bin, nuclei.mpp)))
    window = length_px("hotspots.window", cfg.hotspots.window, nuclei.mpp)
    step = 1 if cfg.hotspots.exact else bin_px
    return Lengths(
        bin_px, length_px("smooth", cfg.smooth, nuclei.mpp), max(1, round(window / step)) * step
    )


def _hotspots(
    nuclei: SlideNuclei,
    grid: DensityGrid,
    question: IndexQuestion,
    lengths: Lengths,
    cfg: DictConfig,
) -> list[Hotspot]:
    least = cfg.hotspots.least
    if least is None:
        least = LEAST_OF_RATIO if cfg.hotspots.by == "ratio" else 1
    window = (lengths.window, lengths.window)
    wanted = Wanted(window, cfg.hotspots.number, cfg.hotspots.by, least)
    if wanted.number and lengths.window > min(nuclei.size):
        log.warning(
            "%s: a window of %d px does not fit into %d x %d: no hotspots",
            nuclei.name, lengths.window, nuclei.size[1], nuclei.size[0],
        )  # fmt: skip
    allowed = edges = None
    if nuclei.tissue is not None:
        outside = TissueMask(~nuclei.tissue.inside, nuclei.tissue.scale, nuclei.size)
        edges = nuclei.tissue.scale

        def allowed(left: Array, top: Array, right: Array, bottom: Array) -> Array:
            return ~outside.any_in(left, top, right, bottom)

    if not cfg.hotspots.exact:
        return grid_hotspots(grid, question.part, question.whole, wanted, allowed)
    part, whole = (np.isin(nuclei.kinds, kinds) for kinds in (question.part, question.whole))
    return exact_hotspots(pixels_of(nuclei.xy), part, whole, nuclei.size, wanted, allowed, edges)


def _finish(
    output: Path, rows: Sequence[Row], skipped: Sequence[tuple[str, str]], number: int
) -> None:
    if rows:
        write_rows(output / "summary.csv", rows, columns_of(rows))
        log.info("%s\n\nresults in %s", aligned(table_of(rows)), output)
    (output / SKIPPED).unlink(missing_ok=True)
    if skipped:
        write_csv(output / SKIPPED, ["slide", "why"], skipped)
        raise UnreadableFileError(
            f"{len(skipped)} of {number} files could not be analysed; the others are done."
            f" {output / SKIPPED} says why"
        )
