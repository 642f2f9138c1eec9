"""Tables beside the images of a set."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

from histoseg.errors import UnreadableFileError


def read_table(path: Path, columns: Collection[str]) -> list[dict[str, str]]:
    """Read a CSV file with a header.

    Args:
        path: The file; a byte-order mark is skipped.
        columns: What it has to have.

    Returns:
        Its rows, by column.

    Raises:
        UnreadableFileError: If it is missing, damaged, or lacks a column or a value of one.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = set(columns) - set(reader.fieldnames or ())
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise UnreadableFileError(f"{path} cannot be read as a table: {error}") from error
    if missing:
        raise UnreadableFileError(f"{path} has no column {', '.join(sorted(missing))}")
    for number, row in enumerate(rows, start=2):
        if any(row[column] is None for column in columns):
            raise UnreadableFileError(f"{path}, line {number}, is cut short")
    return rows
