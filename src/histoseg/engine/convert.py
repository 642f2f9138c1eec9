"""Files of nuclei from any format we read to any format we write."""

from __future__ import annotations

import csv
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.annotations import OBJECT_SUFFIXES, read_type_info
from histoseg.contracts import Predicted
from histoseg.engine.files import annotation_files
from histoseg.engine.label_table import LabelTable
from histoseg.engine.picture import Picture, read_pictures
from histoseg.writers import write_type_info

log = logging.getLogger(__name__)
Writer = Callable[[Path, Predicted], Path]
IMAGES_ONLY = ("mat",)
"""Writers that take a whole label map."""


def convert(cfg: DictConfig) -> list[dict[str, Any]]:
    """Read files of nuclei, and write each in other formats.

    Every file is read once, object by object where its format allows, and kept on disk in between,
    so memory does not grow with the number of nuclei.

    Args:
        cfg: Composed from ``conf/convert.yaml``.

    Returns:
        One row a picture, as in ``summary.csv``: file, picture, state, nuclei, dropped, error.

    Raises:
        FileNotFoundError: If there are no files.
        UnreadableFileError: If a file cannot be read and ``on_error`` is ``raise``.
        ValueError: If a setting is not one of those that there are, or two pictures have one name.
    """
    writers = _writers(cfg)
    files = annotation_files(cfg.input, OBJECT_SUFFIXES)
    output = Path(cfg.output)
    output.mkdir(parents=True, exist_ok=True)
    table = LabelTable(None if cfg.type_info is None else read_type_info(Path(cfg.type_info)))
    folder = Path(tempfile.mkdtemp(prefix=".convert-", dir=output))
    try:
        pictures: list[Picture] = []
        for file in tqdm(files, unit="file", disable=not sys.stderr.isatty()):
            pictures += read_pictures(file, folder / str(len(pictures)), table, cfg.on_error)
        _refuse_twins(pictures)
        info = table.classes()
        if info.classes:
            write_type_info(output, info.classes, info.colours)
        for picture in (p for p in pictures if not p.error):
            prediction = picture.prediction(table, cfg.mpp, float(cfg.scale))
            for name, write in writers.items():
                whole = name in IMAGES_ONLY
                write(output, picture.as_image(prediction) if whole else prediction)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if table.unknown():
        log.warning("no class of type_info, kept without class: %s", ", ".join(table.unknown()))
    return _report(output, pictures)


def _writers(cfg: DictConfig) -> dict[str, Writer]:
    wanted = [cfg.to] if isinstance(cfg.to, str) else list(cfg.to)
    strange = [name for name in wanted if name not in cfg.writers]
    if strange or not wanted:
        raise ValueError(f"to={wanted}: expected some of {', '.join(cfg.writers)}")
    if cfg.on_error not in ("skip", "raise"):
        raise ValueError(f"on_error={cfg.on_error}: expected one of skip, raise")
    return {name: instantiate(cfg.writers[name]) for name in wanted}


def _refuse_twins(pictures: list[Picture]) -> None:
    names = [picture.name for picture in pictures if not picture.error]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{len(twice)} pictures come more than once, so results would overwrite each other: "
            f"{', '.join(twice[:5])}. Convert them one by one, to other folders"
        )


def _report(output: Path, pictures: list[Picture]) -> list[dict[str, Any]]:
    rows = [
        {
            "file": str(picture.file),
            "picture": picture.name,
            "state": "failed" if picture.error else "done",
            "nuclei": picture.spool.count,
            "dropped": len(picture.dropped),
            "error": picture.error,
        }
        for picture in pictures
    ]
    dropped = [
        {"file": str(picture.file), "where": one.where, "why": one.why}
        for picture in pictures
        for one in picture.dropped
    ]
    header = ["file", "picture", "state", "nuclei", "dropped", "error"]
    _write_csv(output / "summary.csv", header, rows)
    _write_csv(output / "report.csv", ["file", "where", "why"], dropped)
    nuclei = sum(picture.spool.count for picture in pictures)
    log.info("%d nuclei in %d pictures; results in %s", nuclei, len(rows), output)
    if dropped:
        log.warning("%d objects were left out: see %s", len(dropped), output / "report.csv")
    return rows


def _write_csv(path: Path, header: list[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
