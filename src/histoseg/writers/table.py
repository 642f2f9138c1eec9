from __future__ import annotations

import csv
import io
from pathlib import Path

from histoseg.contracts import Predicted
from histoseg.writers.batches import batches
from histoseg.writers.columns import COLUMNS, columns
from histoseg.writers.files import result_path, whole_file


def write_table(folder: Path, prediction: Predicted) -> Path:
    """Write one row of numbers for each nucleus, as CSV (UTF-8, comma, header).

    The columns are those of `histoseg.writers.columns.columns`. ``class`` is empty where there is
    none, ``area_um2`` and ``perimeter_um`` where the pixel size is unknown.

    Args:
        folder: Of all results; the file is ``table/{name}.csv`` below it.
        prediction: Of an image or slide.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    path = result_path(folder, prediction.name, "table", ".csv")
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        header: list[str] = []
        for batch in batches(prediction):
            values = columns(prediction, batch)
            if not header:
                writer.writerow(header := list(values))
            writer.writerows(zip(*values.values(), strict=True))
        if not header:
            writer.writerow(COLUMNS)
        text.detach()
    return path
