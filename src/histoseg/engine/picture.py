from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from histoseg.annotations import (
    LABEL_SUFFIXES,
    MAX_PIXELS,
    Dropped,
    Shape,
    read_objects,
    stem,
    stream_drawings,
    traced,
)
from histoseg.contracts import Array, LabelPart, Nuclei, Prediction, SlidePrediction
from histoseg.engine.label_table import LabelTable
from histoseg.engine.spool import Spool
from histoseg.errors import UnreadableFileError
from histoseg.ops.instances import instances_from_labels


@dataclass
class Picture:
    """What a file holds of one picture, put away on disk.

    Attributes:
        file: It comes from.
        name: Of the results.
        spool: Its nuclei; ``semantic`` is the number of a label.
        dropped: What is no nucleus, and why.
        size: (height, width), where the file says it.
        mpp: Micrometres per pixel, where the file says it.
        error: Why it could not be read; "" if it could.
    """

    file: Path
    name: str
    spool: Spool
    dropped: list[Dropped] = field(default_factory=list)
    size: tuple[int, int] | None = None
    mpp: float | None = None
    error: str = ""

    def prediction(self, table: LabelTable, mpp: float | None, scale: float) -> SlidePrediction:
        """As writers take it.

        Args:
            table: Knows the classes.
            mpp: Micrometres per pixel in place of the file's; None for those.
            scale: Pixels at full size for each pixel of the file.
        """
        info, classes, reach = table.classes(), table.table(), self.spool.reach
        height, width = self.size or reach
        size = max(height, reach[0]), max(width, reach[1])

        def parts() -> Iterator[Nuclei]:
            return self.spool.parts(classes)

        return SlidePrediction(
            name=self.name,
            size=size,
            parts=parts,
            label_parts=lambda: (_painted(part, size) for part in parts()),
            classes=info.classes,
            colours=info.colours,
            mpp=mpp or self.mpp,
            scale_xy=(scale, scale),
        )

    def as_image(self, prediction: SlidePrediction) -> Prediction:
        """The same with a label map in memory, and without pixels.

        Raises:
            ValueError: If it is too large.
        """
        height, width = prediction.size
        if height * width > MAX_PIXELS:
            raise ValueError(f"{self.name} has {width} x {height} pixels: too many for a MAT file")
        labels = np.zeros((height, width), np.int32)
        for x, y, part in prediction.label_parts():
            there = labels[y : y + part.shape[0], x : x + part.shape[1]]
            there[there == 0] = part[there == 0]
        found = instances_from_labels(labels)
        nuclei = Nuclei.joined([*prediction.parts(), Nuclei.of(found)[:0]])
        row = np.argsort(nuclei.ids, kind="stable")
        row = row[np.searchsorted(nuclei.ids[row], found.ids)]
        found = replace(found, semantic=nuclei.semantic[row], score=nuclei.score[row])
        image = np.broadcast_to(np.array(0, np.uint8), (height, width, 3))
        facts = prediction.classes, prediction.colours, prediction.mpp
        return Prediction(self.name, image, found, *facts)


def read_pictures(file: Path, folder: Path, table: LabelTable, on_error: str) -> list[Picture]:
    """Read a file and put away what it holds.

    Args:
        file: Of any kind that the room ``annotations`` reads.
        folder: Where to, with a number behind its name for each picture.
        table: Gets the labels.
        on_error: ``raise``, or ``skip`` to give the error in place of the picture.

    Raises:
        UnreadableFileError: If the file cannot be read and ``on_error`` is ``raise``.
    """
    pictures: list[Picture] = []
    try:
        if file.suffix.lower() in LABEL_SUFFIXES:
            return [_of_labels(file, folder, table)]
        for stream in stream_drawings(file):
            number = len(pictures)
            spool = Spool(folder.with_name(f"{folder.name}-{number}"))
            picture = Picture(file, stream.name, spool, size=stream.size, mpp=stream.mpp)
            table.expect(stream.classes)
            for nuclei, shapes in traced(stream.objects, picture.dropped):
                kinds = np.array([table.number(shape) for shape in shapes], np.int32)
                spool.add(replace(nuclei, semantic=kinds))
            pictures.append(picture)
    except UnreadableFileError as error:
        if on_error == "raise":
            raise
        return [Picture(file, stem(file), Spool(folder), error=str(error))]
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
