from __future__ import annotations

from pathlib import Path
from typing import Any

from histoseg.contracts import Predicted
from histoseg.writers.batches import batches
from histoseg.writers.columns import COLUMNS, columns
from histoseg.writers.extras import needs, of_extra
from histoseg.writers.files import result_path, whole_file

ROWS = 1 << 16  # nuclei of a row group


@of_extra("parquet", "pyarrow")
def write_parquet(folder: Path, prediction: Predicted) -> Path:
    """Write the table of `histoseg.writers.write_table` as Parquet: small, typed, read by column.

    ``class``, ``area_um2`` and ``perimeter_um`` are null where `write_table` leaves them empty.

    Args:
        folder: Of all results; the file is ``parquet/{name}.parquet`` below it.
        prediction: Of an image or slide.

    Returns:
        The file.

    Raises:
        MissingExtraError: If pyarrow is not installed.
        OSError: If it cannot be written.
    """
    arrow, parquet = needs("pyarrow", "parquet"), needs("pyarrow.parquet", "parquet")
    path = result_path(folder, prediction.name, "parquet", ".parquet")
    with whole_file(path) as file:
        writer = None
        rows: dict[str, list[Any]] = {}
        for batch in batches(prediction):
            for name, values in columns(prediction, batch).items():
                rows.setdefault(name, []).extend(values)
            if len(rows["id"]) >= ROWS:
                writer, rows = _write(arrow, parquet, file, writer, rows), {}
        if rows or writer is None:
            rows = rows or {name: [] for name in COLUMNS}
            writer = _write(arrow, parquet, file, writer, rows)
        writer.close()
    return path


def _write(arrow: Any, parquet: Any, file: Any, writer: Any, rows: dict[str, list[Any]]) -> Any:
    kinds = {"id": arrow.int64(), "class": arrow.string()}
    schema = arrow.schema([(name, kinds.get(name, arrow.float64())) for name in rows])
    if writer is None:
        writer = parquet.ParquetWriter(file, schema, compression="zstd")
    writer.write_table(arrow.table(rows, schema=schema))
    return writer
