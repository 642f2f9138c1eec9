"""Numbers of slides, regions and hotspots, a row each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from histoseg.analysis import Hotspot, Region, h_score, wilson
from histoseg.analysis.density import pixels_of
from histoseg.contracts import Array
from histoseg.engine.index_question import IndexQuestion
from histoseg.engine.nuclei_of import SlideNuclei

Row = dict[str, Any]
FIRST = (
    *("slide", "kind", "name", "left", "top", "right", "bottom"),
    *("area_px", "area_mm2", "area_of", "nuclei", "per_mm2"),
)
LAST = (
    *("positive", "counted", "index", "index_low", "index_high", "positive_per_mm2"),
    *("strong_rate", "strong_moderate_rate", "h_score", "score"),
)
NO_CLASS = "no class"
SQUARE_MM = 1e6  # square micrometres


def index_rows(
    nuclei: SlideNuclei, question: IndexQuestion, hotspots: Sequence[Hotspot], confidence: float
) -> list[Row]:
    """Report the slide, its regions and its hotspots.

    Args:
        nuclei: Of a slide.
        question: Which classes are positive.
        hotspots: Best first; they are called top1, top2, ...
        confidence: Of the intervals.

    Returns:
        A row each, with numbers, texts, and NaN for what says nothing.
    """
    height, width = nuclei.size
    everywhere = np.ones(len(nuclei.xy), np.bool_)
    area, area_of = float(height * width), nuclei.area_of
    if nuclei.tissue is not None:
        area, area_of = nuclei.tissue.share * area, "tissue"
    places: list[tuple[Row, Array]] = [
        (_place("slide", "", (0, 0, width, height), area, area_of), everywhere)
    ]
    places += [_of_region(nuclei, region) for region in nuclei.regions]
    pixels = pixels_of(nuclei.xy)
    for number, one in enumerate(hotspots, start=1):
        corner, end = np.array(one.box[:2]), np.array(one.box[2:])
        inside = np.asarray(((pixels >= corner) & (pixels < end)).all(axis=1))
        place = _place("hotspot", f"top{number}", one.box, float((end - corner).prod()), "window")
        places.append((place | {"score": one.score}, inside))
    return [
        {"slide": nuclei.name} | place | _numbers(nuclei, question, inside, place, confidence)
        for place, inside in places
    ]


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Columns of a table of rows of several slides, whose classes may differ."""
    found = dict.fromkeys(key for row in rows for key in row)
    return [*FIRST, *(key for key in found if key not in (*FIRST, *LAST)), *LAST]


def _place(
    kind: str, name: str, box: tuple[float, float, float, float], area: float, area_of: str
) -> Row:
    corners = dict(zip(("left", "top", "right", "bottom"), box, strict=True))
    return {"kind": kind, "name": name, **corners, "area_px": area, "area_of": area_of}


def _of_region(nuclei: SlideNuclei, region: Region) -> tuple[Row, Array]:
    left, top, right, bottom = region.shape().bounds
    box = tuple(round(v + 0.5, 2) for v in (left, top, right, bottom))
    area, area_of = region.area(), "outline"
    if nuclei.tissue is not None:
        area, area_of = _tissue_within(nuclei, region), "tissue in outline"
    return _place("region", region.name, (*box,), area, area_of), region.contains(nuclei.xy)


def _tissue_within(nuclei: SlideNuclei, region: Region) -> float:
    """Pixels of the mask whose centre lies in the outline, as px² of the slide."""
    assert nuclei.tissue is not None
    row, column = np.nonzero(nuclei.tissue.inside)
    scale = np.array(nuclei.tissue.scale)
    centres = (np.stack([column, row], axis=1) + 0.5) * scale - 0.5
    return float(region.contains(centres).sum() * scale.prod())


def _numbers(
    nuclei: SlideNuclei, question: IndexQuestion, inside: Array, place: Row, confidence: float
) -> Row:
    counts = np.bincount(nuclei.kinds[inside], minlength=len(nuclei.classes) + 1)
    mm2 = math.nan if nuclei.mpp is None else place["area_px"] * nuclei.mpp**2 / SQUARE_MM
    part, whole = (int(counts[list(kinds)].sum()) for kinds in (question.part, question.whole))
    row: Row = {
        "area_mm2": mm2,
        "nuclei": int(counts.sum()),
        "per_mm2": counts.sum() / mm2 if mm2 else math.nan,
        **{name: int(n) for name, n in zip(nuclei.classes, counts[1:], strict=True)},
    }
    if counts[0] and nuclei.classes:
        row[NO_CLASS] = int(counts[0])
    if question.indexed:
        share, low, high = wilson(part, whole, confidence)
        row |= {"positive": part, "counted": whole}
        row |= {"index": share, "index_low": low, "index_high": high}
        row["positive_per_mm2"] = part / mm2 if mm2 else math.nan
    grades = question.graded(counts)
    if grades is not None:
        total = sum(grades)
        row["strong_rate"] = grades.strong / total if total else math.nan
        both = grades.strong + grades.moderate
        row["strong_moderate_rate"] = both / total if total else math.nan
        row["h_score"] = h_score(grades)
    return row


def table_of(rows: Sequence[Row]) -> list[list[str]]:
    """The rows as cells of the table in the terminal."""
    indexed = any("index" in row for row in rows)
    graded = any("h_score" in row for row in rows)
    head = ["slide", "", "nuclei", "mm²", "per mm²"]
    head += ["positive", "counted", "index"] * indexed + ["H-score"] * graded
    cells = [head]
    for row in rows:
        line = [
            str(row["slide"]) if row["kind"] == "slide" else "",
            str(row["name"]) if row["kind"] != "slide" else "",
            f"{row['nuclei']:,}",
            _number(row["area_mm2"], ",.4g"),
            _number(row["per_mm2"], ",.0f"),
        ]
        if indexed:
            line += [_number(row.get(key), ",d") for key in ("positive", "counted")]
            share, low, high = (
                _number(row.get(key), ".1%") for key in ("index", "index_low", "index_high")
            )
            line.append(share if share == "-" else f"{share} [{low}, {high}]")
        if graded:
            line.append(_number(row.get("h_score"), ".0f"))
        cells.append(line)
    return cells


def _number(value: Any, form: str) -> str:
    return "-" if value is None or value != value else format(value, form)
