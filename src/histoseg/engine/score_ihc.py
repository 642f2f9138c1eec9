"""Counts, pictures and cell records of Seg pictures that are in files."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.analysis import wilson
from histoseg.contracts import Predicted
from histoseg.engine.record import write_provenance
from histoseg.engine.scored_cells import ScoredCells, score_cells, write_scored
from histoseg.engine.seg_files import SegFiles, seg_files
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.postprocess import DeepLIIFCells
from histoseg.writers import aligned, write_cell_records, write_csv

log = logging.getLogger(__name__)
Writer = Callable[[Path, Predicted], Path]
Row = dict[str, Any]
SKIPPED = "skipped.csv"
BROKEN = (ContractError, UnreadableFileError, OSError, ValueError)
VERSIONS = (None, 3, 4, 5, 6)


def score_ihc(cfg: DictConfig) -> list[Row]:
    """Score each Seg picture or file of cell records; a bad one does not stop the others.

    Args:
        cfg: Composed from ``conf/score_ihc.yaml``.

    Returns:
        The rows of ``summary.csv``.

    Raises:
        DatasetNotFoundError: If there is nothing to score, or something given is not there.
        UnreadableFileError: After all else is written, if files could not be scored.
        ValueError: If a setting is not one of those that there are.
    """
    _check_settings(cfg)
    cells: DeepLIIFCells = instantiate(cfg.cells)
    writers: list[Writer] = [instantiate(writer) for writer in cfg.writers.values()]
    given, output = seg_files(str(cfg.input), cfg.marker, cfg.original), Path(cfg.output)
    write_provenance(cfg, output)
    rows: list[Row] = []
    skipped: list[tuple[str, str]] = []
    for files in tqdm(given, unit="image", disable=len(given) < 2 or not sys.stderr.isatty()):
        try:
            scored = score_cells(files, cells, cfg.foreign, cfg.mpp)
            _write(files, scored, cfg.records, writers, output)
            rows.append(_row(files, scored, cells, cfg.confidence))
        except BROKEN as error:
            if cfg.on_error == "raise" or len(given) == 1:
                raise
            skipped.append((files.name, str(error)))
            log.error("%s: %s", files.name, error)
    _finish(output, rows, skipped)
    return rows


def _check_settings(cfg: DictConfig) -> None:
    if cfg.on_error not in ("skip", "raise"):
        raise ValueError(f"on_error={cfg.on_error}: expected one of skip, raise")
    if cfg.records not in VERSIONS:
        raise ValueError(f"records={cfg.records}: expected 3, 4, 5, 6 or null")
    if not 0 < cfg.confidence < 1 or not 0 <= cfg.foreign <= 1:
        raise ValueError(
            f"confidence={cfg.confidence} foreign={cfg.foreign}: expected shares, 0.95 and 0.05"
        )
    if cfg.mpp is not None and not cfg.mpp > 0:
        raise ValueError(f"mpp={cfg.mpp}: expected micrometres per pixel, such as 0.25")


def _write(
    files: SegFiles,
    scored: ScoredCells,
    version: int | None,
    writers: Sequence[Writer],
    output: Path,
) -> None:
    counts = output / f"{files.name}.json"
    if counts.resolve() == files.source.resolve():
        raise ValueError(f"{counts} would overwrite what it is counted from: give another output=")
    write_scored(output, files.name, scored)
    for write in writers:
        write(output, scored.counted)
    own = (output / "cells" / f"{files.name}.json").resolve() == files.source.resolve()
    if version is not None and not own:
        write_cell_records(output, scored.above_noise, _settings(scored, version), version)


def _settings(scored: ScoredCells, version: int) -> dict[str, Any]:
    """Of versions 5 and 6 without the marker's; of 3 and 4 it is null where none was measured."""
    name = "default_marker_thresh"
    if version in (3, 4):
        return {**scored.settings, name: scored.settings.get(name)}
    return {key: value for key, value in scored.settings.items() if key != name}


def _row(files: SegFiles, scored: ScoredCells, cells: DeepLIIFCells, confidence: float) -> Row:
    scoring = scored.scoring
    _, low, high = wilson(scoring.num_pos, scoring.num_total, confidence)
    fields = asdict(scoring)
    counts = {key: fields.pop(key) for key in ("num_total", "num_pos", "num_neg", "percent_pos")}
    interval = {"percent_pos_low": 100 * low, "percent_pos_high": 100 * high}
    density = {key: getattr(cells, key) for key in ("od_thresh_lower", "od_thresh_upper")}
    return {"name": files.name, **counts, **interval, **fields, **density,
            "input": str(files.source)}  # fmt: skip


def _finish(output: Path, rows: Sequence[Row], skipped: Sequence[tuple[str, str]]) -> None:
    if rows:
        table = [[_cell(value) for value in row.values()] for row in rows]
        write_csv(output / "summary.csv", list(rows[0]), table)
        head = ["image", "cells", "positive", "negative", "% positive", "interval", "size >"]
        log.info("%s\n\nresults in %s", aligned([head, *map(_line, rows)]), output)
    (output / SKIPPED).unlink(missing_ok=True)
    if skipped:
        write_csv(output / SKIPPED, ["image", "why"], skipped)
        raise UnreadableFileError(
            f"{len(skipped)} of {len(skipped) + len(rows)} files could not be scored; the others"
            f" are done. {output / SKIPPED} says why"
        )


def _line(row: Row) -> list[str]:
    low, high = row["percent_pos_low"], row["percent_pos_high"]
    interval = "" if low != low else f"{low:.1f} to {high:.1f}"
    numbers = [f"{row[key]:,}" for key in ("num_total", "num_pos", "num_neg")]
    return [row["name"], *numbers, f"{row['percent_pos']:.1f}", interval, str(row["size_thresh"])]


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if value != value else float(f"{value:.8g}")
    return "" if value is None else value
