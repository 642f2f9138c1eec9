"""Scores as JSON and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from histoseg.contracts import Difference, Report, Score
from histoseg.writers.files import whole_file

GROUPS = {"overall": "overall", "class": "by_class", "tissue": "by_tissue"}
SCORE_COLUMNS = ("group", "of", "name", "average", "value", "low", "high", "n", "unit")
UNMATCHED, NO_CLASS = "(no partner)", "(no class)"


def write_scores(folder: Path, report: Report) -> None:
    """Write ``scores.json``, ``scores.csv``, ``images.csv`` and ``confusion.csv``.

    A report without objects, of pictures alone, has no confusion. A number that says nothing is
    ``null`` in JSON and empty in CSV (``nan`` in ``images.csv``).

    Args:
        folder: Where they go.
        report: The scores.

    Raises:
        OSError: If a file cannot be written.
    """
    nested: dict[str, Any] = {"settings": report.settings, "classes": report.classes}
    for score in report.scores:
        place = nested.setdefault(GROUPS[score.group], {})
        if score.of:
            place = place.setdefault(score.of, {})
        place.setdefault(score.average, {})[score.name] = _numbers(score)
    labels = confusion_labels(report.classes)
    if report.confusion.size:
        nested["confusion"] = {"labels": labels, "counts": report.confusion.tolist()}
    write_json(folder / "scores.json", nested)
    rows = [[_blank(asdict(score)[column]) for column in SCORE_COLUMNS] for score in report.scores]
    write_csv(folder / "scores.csv", SCORE_COLUMNS, rows)
    columns = list(report.images[0])
    write_csv(folder / "images.csv", columns, ([row[c] for c in columns] for row in report.images))
    if not report.confusion.size:
        return
    write_csv(
        folder / "confusion.csv",
        ["annotated \\ predicted", *labels],
        ([label, *row] for label, row in zip(labels, report.confusion.tolist(), strict=True)),
    )


def write_comparison(
    folder: Path, differences: Sequence[Difference], names: tuple[str, str]
) -> None:
    """Write ``comparison.json`` and ``comparison.csv``, a row a score.

    Args:
        folder: Where they go.
        differences: Second minus first.
        names: Of the first and the second model.

    Raises:
        OSError: If a file cannot be written.
    """
    rows = [
        {
            **{key: getattr(d.first, key) for key in ("group", "of", "name", "average")},
            **{"first": d.first.value, "second": d.second.value, "difference": d.value},
            **{key: getattr(d, key) for key in ("low", "high", "p_permutation", "p_wilcoxon", "n")},
        }
        for d in differences
    ]
    content = {"first": names[0], "second": names[1], "scores": rows}
    write_json(folder / "comparison.json", content)
    table = [[_blank(value) for value in row.values()] for row in rows]
    write_csv(folder / "comparison.csv", list(rows[0]), table)


def confusion_labels(classes: Sequence[str]) -> list[str]:
    """Names of rows and columns of a confusion table."""
    return [UNMATCHED, NO_CLASS, *classes]


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all; what is not a finite number becomes null.

    Raises:
        OSError: If it cannot be written.
    """
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    with whole_file(path) as file:
        file.write(orjson.dumps(content, option=options))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a header (UTF-8, comma), whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        text.detach()


def _numbers(score: Score) -> dict[str, Any]:
    return {key: getattr(score, key) for key in ("value", "low", "high", "n", "unit")}


def _blank(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
