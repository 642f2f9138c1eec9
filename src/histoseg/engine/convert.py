"""Files of nuclei from any format we read to any format we write."""

from __future__ import annotations

import csv
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.annotations import (
    LABEL_SUFFIXES,
    MAX_PIXELS,
    OBJECT_SUFFIXES,
    Dropped,
    Shape,
    read_objects,
    read_type_info,
    stem,
    stream_drawings,
    traced,
)
from histoseg.contracts import Array, LabelPart, Nuclei, Predicted, Prediction, SlidePrediction
from histoseg.engine.files import annotation_files
from histoseg.engine.label_table import LabelTable
from histoseg.engine.spool import Spool
from histoseg.errors import UnreadableFileError
from histoseg.ops.instances import instances_from_labels
from histoseg.writers import write_type_info

log = logging.getLogger(__name__)
Writer = Callable[[Path, Predicted], Path]
IMAGES_ONLY = ("mat",)
"""Writers that take a whole label map."""


@dataclass
class Picture:
    """What one file holds of one picture, put away on disk."""

    file: Path
    name: str
    spool: Spool
    dropped: list[Dropped]
    size: tuple[int, int] | None = None
    mpp: float | None = None
    error: str = ""


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
            pictures += _read(file, folder / str(len(pictures)), table, cfg.on_error)
        _refuse_twins(pictures)
        info = table.classes()
        if info.classes:
            write_type_info(output, info.classes, info.colours)
        for picture in pictures:
            prediction = _prediction(picture, table, cfg)
            for name, write in writers.items():
                if not picture.error:
                    write(output, _whole(prediction) if name in IMAGES_ONLY else prediction)
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


def _read(file: Path, folder: Path, table: LabelTable, on_error: str) -> list[Picture]:
    pictures: list[Picture] = []
    try:
        if file.suffix.lower() in LABEL_SUFFIXES:
            return [_of_labels(file, folder, table)]
        for stream in stream_drawings(file):
            number = len(pictures)
            spool = Spool(folder.with_name(f"{folder.name}-{number}"))
            picture = Picture(file, stream.name, spool, [], stream.size, stream.mpp)
            table.expect(stream.classes)
            for nuclei, shapes in traced(stream.objects, picture.dropped):
                kinds = np.array([table.number(shape) for shape in shapes], np.int32)
                spool.add(replace(nuclei, semantic=kinds))
            pictures.append(picture)
    except UnreadableFileError as error:
        if on_error == "raise":
            raise
        return [Picture(file, stem(file), Spool(folder), [], error=str(error))]
    return pictures


def _of_labels(file: Path, folder: Path, table: LabelTable) -> Picture:
    """Of a label map; its classes are numbers."""
    objects = read_objects(file)
    found = instances_from_labels(objects.instances, objects.semantic)
    spool = Spool(folder)
    numbers = {
        k: table.number(Shape("point", np.zeros((1, 2)), label=str(k)))
        for k in np.unique(found.semantic[found.semantic > 0]).tolist()
    }
    kinds = np.array([numbers.get(k, 0) for k in found.semantic.tolist()], np.int32)
    spool.add(replace(Nuclei.of(found), semantic=kinds))
    height, width = objects.instances.shape
    return Picture(file, stem(file), spool, list(objects.dropped), (height, width))


def _refuse_twins(pictures: list[Picture]) -> None:
    names = [picture.name for picture in pictures if not picture.error]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{len(twice)} pictures come more than once, so results would overwrite each other: "
            f"{', '.join(twice[:5])}. Convert them one by one, to other folders"
        )


def _prediction(picture: Picture, table: LabelTable, cfg: DictConfig) -> SlidePrediction:
    info, classes = table.classes(), table.table()
    reach = picture.spool.reach
    size = picture.size or reach
    size = max(size[0], reach[0]), max(size[1], reach[1])

    def parts() -> Iterator[Nuclei]:
        return picture.spool.parts(classes)

    return SlidePrediction(
        name=picture.name,
        size=size,
        parts=parts,
        label_parts=lambda: (_painted(part, size) for part in parts()),
        classes=info.classes,
        colours=info.colours,
        mpp=cfg.mpp or picture.mpp,
        scale_xy=(float(cfg.scale), float(cfg.scale)),
    )


def _painted(nuclei: Nuclei, size: tuple[int, int]) -> LabelPart:
    """A label map of some nuclei, which must lie together."""
    left, top = np.maximum(nuclei.box_xyxy[:, :2].min(axis=0), 0).tolist()
    right, bottom = np.minimum(nuclei.box_xyxy[:, 2:].max(axis=0), size[::-1]).tolist()
    if (bottom - top) * (right - left) > MAX_PIXELS:
        raise ValueError(
            f"nuclei {nuclei.ids[0]} to {nuclei.ids[-1]} are spread over {right - left} x "
            f"{bottom - top} pixels: label maps of a slide are written by predict, not by convert"
        )
    labels: Array = np.zeros((max(bottom - top, 0), max(right - left, 0)), np.int32)
    for key, contour in zip(nuclei.ids.tolist(), nuclei.contours(), strict=True):
        cv2.drawContours(labels, [contour - (left, top)], -1, key, cv2.FILLED)
    return LabelPart(left, top, labels)


def _whole(prediction: SlidePrediction) -> Prediction:
    """As an image with a label map, without pixels."""
    height, width = prediction.size
    if height * width > MAX_PIXELS:
        raise ValueError(f"{prediction.name} has {width} x {height} pixels: too many for one map")
    labels = np.zeros((height, width), np.int32)
    for x, y, part in prediction.label_parts():
        there = labels[y : y + part.shape[0], x : x + part.shape[1]]
        there[there == 0] = part[there == 0]
    found = instances_from_labels(labels)
    nuclei = Nuclei.joined([*prediction.parts(), Nuclei.of(found)[:0]])
    row = np.argsort(nuclei.ids, kind="stable")
    row = row[np.searchsorted(nuclei.ids[row], found.ids)]
    return Prediction(
        prediction.name,
        np.broadcast_to(np.array(0, np.uint8), (height, width, 3)),
        replace(found, semantic=nuclei.semantic[row], score=nuclei.score[row]),
        prediction.classes,
        prediction.colours,
        prediction.mpp,
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
    for name, content, header in (
        ("summary.csv", rows, ["file", "picture", "state", "nuclei", "dropped", "error"]),
        ("report.csv", dropped, ["file", "where", "why"]),
    ):
        with (output / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(content)
    nuclei = sum(row["nuclei"] for row in rows)
    log.info("%d nuclei in %d pictures; results in %s", nuclei, len(rows), output)
    if dropped:
        log.warning("%d objects were left out: see %s", len(dropped), output / "report.csv")
    return rows
