from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

import imagecodecs
import numpy as np

from histoseg.contracts import Array, LabelPart, Nuclei
from histoseg.writers.files import whole_file

MEASURE = "measure/"
LEVEL = 1
COLUMNS = tuple(f.name for f in fields(Nuclei) if f.name != "measures")


@dataclass(frozen=True)
class Part:
    """What a region owns, in pixels of the slide's frame.

    Attributes:
        nuclei: In the raster order of their first pixels, with ids 1..N.
        labels: Their label map, as small as it can be, with these ids.
    """

    nuclei: Nuclei
    labels: LabelPart

    def numbered(self, first: int) -> Part:
        """With ids from ``first`` on."""
        x, y, labels = self.labels
        moved = np.where(labels > 0, labels + np.int32(first - 1), np.int32(0))
        nuclei = replace(self.nuclei, ids=self.nuclei.ids + (first - 1))
        return Part(nuclei, LabelPart(x, y, moved))

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
        packed = imagecodecs.zstd_encode(labels.astype("<i4").tobytes(), LEVEL)
        content |= {
            "label_box": np.array([x, y, *labels.shape], np.int64),
            "labels": np.frombuffer(packed, np.uint8),
            "stamp": np.array(stamp),
        }
        with whole_file(path) as file:
            np.savez(file, allow_pickle=False, **content)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, path: Path) -> Part:
        """Read what `write` left."""
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in COLUMNS}
            measures = {
                name.removeprefix(MEASURE): file[name]
                for name in file.files
                if name.startswith(MEASURE)
            }
            x, y, height, width = file["label_box"].tolist()
            unpacked = imagecodecs.zstd_decode(file["labels"].tobytes())
        labels: Array = np.frombuffer(unpacked, "<i4").reshape(height, width)
        return cls(Nuclei(**columns, measures=measures), LabelPart(x, y, labels))


def read_stamp(path: Path) -> str | None:
    """The stamp of a part file; None where there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return str(file["stamp"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
