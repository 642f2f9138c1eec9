from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from histoseg.annotations import Dropped, as_labels
from histoseg.contracts import Array
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.join_points import join_points
from histoseg.prepare.pairs import partner, stems
from histoseg.prepare.pickled_arrays import read_pickled_arrays
from histoseg.slides import read_image

CLASSES = 4


class NuCLSJoined:
    """Tiles of NuCLS in CellViT++'s two forms: instance maps, whose classes come from points.

    ``Example-Segmentation/<part>/{images/*.png,labels/*.npy}`` holds dictionaries with
    ``inst_map``; ``Example-Detection/<part>/labels/*.csv`` of the same tiles holds lines of x, y,
    class.
    The ``type_map`` beside the instances is random at the source and is not read.

    Args:
        radius: How far, in pixels, a point may lie outside of its nucleus.
        mpp: Micrometres per pixel; None where it is not stated.

    Source:
        The examples of TIO-IKIM/CellViT-plus-plus; the classes from its ``label_map.yaml``.
    """

    def __init__(self, radius: float = 6.0, mpp: float | None = None) -> None:
        self.radius, self.mpp = radius, mpp

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the tiles: see `histoseg.prepare.Source`."""
        segmented = sorted(p.parent for p in raw.rglob("Example-Segmentation/*/images"))
        if not segmented:
            raise DatasetNotFoundError(f"there is no Example-Segmentation/<part>/images in {raw}")
        for folder in segmented:
            images, maps = stems(folder / "images"), stems(folder / "labels", (".npy",))
            points = stems(
                folder.parent.parent / "Example-Detection" / folder.name / "labels", (".csv",)
            )
            for stem in images:
                files = tuple(f[stem] for f in (images, maps, points) if stem in f)
                read = partial(self._read, stem, folder.name, images, maps, points)
                yield RawItem(stem, files, read)

    def _read(
        self,
        stem: str,
        part: str,
        images: dict[str, Path],
        maps: dict[str, Path],
        points: dict[str, Path],
    ) -> Item:
        path = partner(stem, maps, "instance map")
        arrays = read_pickled_arrays(path, ("inst_map",))
        instances = as_labels(arrays["inst_map"], f"inst_map of {path}")
        found = join_points(
            instances, _read_points(partner(stem, points, "file of points")), self.radius
        )
        bare = np.flatnonzero(found.class_of == 0)
        ids = [n for n in bare.tolist() if n and (instances == n).any()]
        return Item(
            id=stem,
            image=read_image(images[stem], upright=False),
            instances=instances,
            semantic=found.class_of[instances],
            split=part,
            tissue="breast",
            mpp=self.mpp,
            dropped=(
                *(Dropped(f"point {n + 1}", found.why) for n in found.unjoined.tolist()),
                *(Dropped(f"nucleus {n}", "its class: no point is near it") for n in ids),
            ),
        )


def _read_points(path: Path) -> Array:
    """x, y and class, one more than in the file, where 0 is a class: (N, 3), float64."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [[float(cell) for cell in row] for row in csv.reader(file) if row]
        points = np.array(rows, dtype=np.float64).reshape(-1, 3)
    except (OSError, ValueError, csv.Error) as error:
        raise UnreadableFileError(f"{path} holds no lines of x, y, class: {error}") from error
    kinds = points[:, 2]
    if not (np.isfinite(points).all() and np.isin(kinds, np.arange(CLASSES)).all()):
        raise UnreadableFileError(f"{path} holds a class outside 0..{CLASSES - 1}, or no number")
    points[:, 2] += 1
    return points
