from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import imagecodecs
import numpy as np

from histoseg.contracts import Array, LabelPart, Nuclei
from histoseg.writers.files import whole_file

MEASURE = "measure/"
PICTURE = "picture/"
BOX = "/box"
COUNTS = "marker_counts"
Calls = Callable[[Nuclei], Nuclei]
LEVEL = 1
NO_LABELS = np.zeros((0, 0), np.int32)
COLUMNS = tuple(f.name for f in fields(Nuclei) if f.name != "measures")


@dataclass(frozen=True)
class Part:
    """What a region owns, in pixels of the slide's frame.

    Attributes:
        nuclei: In the raster order of their first pixels, with ids 1..N.
        labels: Their label map, as small as it can be, with these ids.
        corner: Left and top edge of the region's core.
        pictures: Of the core, by name: (h, w) or (h, w, 3), uint8. `read` leaves them to
            `read_picture`.
        marker_counts: Of the core, as a `Settling` post-process counts them.
    """

    nuclei: Nuclei
    labels: LabelPart
    corner: tuple[int, int] = (0, 0)
    pictures: Mapping[str, Array] = field(default_factory=dict)
    marker_counts: Array | None = None

    def numbered(self, first: int) -> Part:
        """With ids from ``first`` on."""
        x, y, labels = self.labels
        moved = np.where(labels > 0, labels + np.int32(first - 1), np.int32(0))
        nuclei = replace(self.nuclei, ids=self.nuclei.ids + (first - 1))
        return replace(self, nuclei=nuclei, labels=LabelPart(x, y, moved))

    def called(self, calls: Calls) -> Part:
        """With the nuclei that thresholds leave, numbered anew."""
        left = calls(self.nuclei)
        number = np.zeros(len(self.nuclei) + 1, np.int32)
        number[left.ids] = np.arange(1, len(left) + 1)
        nuclei = replace(left, ids=np.arange(1, len(left) + 1))
        labels = self.labels._replace(labels=number[self.labels.labels])
        return replace(self, nuclei=nuclei, labels=labels)

    def write(self, path: Path, stamp: str) -> None:
        """Write it whole or not at all, and on the disk before this returns.

        Args:
            path: ``.npz``.
            stamp: Of what decides the result.

        Raises:
            OSError: If it cannot be written.
        """
        content = {name: getattr(self.nuclei, name) for name in COLUMNS}
        content |= {f"{MEASURE}{name}": values for name, values in self.nuclei.measures.items()}
        x, y, labels = self.labels
        content |= {
            "label_box": np.array([x, y, *labels.shape], np.int64),
            "labels": _packed(labels.astype("<i4")),
            "stamp": np.array(stamp),
        }
        if self.marker_counts is not None:
            content[COUNTS] = self.marker_counts
        for name, picture in self.pictures.items():
            content[f"{PICTURE}{name}"] = _packed(picture)
            content[f"{PICTURE}{name}{BOX}"] = np.array([*self.corner, *picture.shape], np.int64)
        with whole_file(path) as file:
            np.savez(file, allow_pickle=False, **content)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, path: Path, *, labels: bool = True) -> Part:
        """Read what `write` left; its label map, the most of it, only where it is wanted."""
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in COLUMNS}
            measures = {
                name.removeprefix(MEASURE): file[name]
                for name in file.files
                if name.startswith(MEASURE)
            }
            x, y, *shape = file["label_box"].tolist()
            drawn = _unpacked(file["labels"], "<i4", shape) if labels else NO_LABELS
            counts = file[COUNTS] if COUNTS in file.files else None
        nuclei = Nuclei(**columns, measures=measures)
        return cls(nuclei, LabelPart(x, y, drawn), marker_counts=counts)


def read_picture(path: Path, name: str) -> tuple[int, int, Array]:
    """One picture of a part file: the left and top edge of its core, and the pixels."""
    with np.load(path, allow_pickle=False) as file:
        x, y, *shape = file[f"{PICTURE}{name}{BOX}"].tolist()
        return x, y, _unpacked(file[f"{PICTURE}{name}"], "u1", shape)


def read_stamp(path: Path) -> str | None:
    """The stamp of a part file; None where there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return str(file["stamp"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _packed(values: Array) -> Array:
    return np.frombuffer(imagecodecs.zstd_encode(values.tobytes(), LEVEL), np.uint8)


def _unpacked(packed: Array, dtype: str, shape: Sequence[int]) -> Array:
    values = np.frombuffer(imagecodecs.zstd_decode(packed.tobytes()), dtype)
    return np.asarray(values.reshape(shape))
