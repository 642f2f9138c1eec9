from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from histoseg.annotations import Dropped, as_labels, read_mat
from histoseg.contracts import Array
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.pairs import partner, stems
from histoseg.prepare.table_file import read_table
from histoseg.slides import read_image

CLASSES = 6


class Lizard:
    """Lizard: ``Lizard_Images{1,2}/*.png``, ``Lizard_Labels/{Labels/*.mat,info.csv}``.

    The published part of an image is ``fold<Split>`` of ``info.csv``.

    Args:
        mpp: Micrometres per pixel.

    Source:
        The README of the release, and TissueImageAnalytics/CoNIC ``extract_patches.py`` for the
        lists ``id`` and ``class``, which are aligned with each other and skip ids; see
        docs/data/lizard.md.
    """

    def __init__(self, mpp: float | None = 0.5) -> None:
        self.mpp = mpp

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the images: see `histoseg.prepare.Source`."""
        tables = [p for p in sorted(raw.rglob("info.csv")) if p.parent.name == "Lizard_Labels"]
        if not tables:
            raise DatasetNotFoundError(f"there is no Lizard_Labels/info.csv in {raw}")
        folds = {row["Filename"]: row["Split"] for row in read_table(tables[0], _COLUMNS)}
        labels = stems(tables[0].parent / "Labels", (".mat",))
        pictures = [p for p in sorted(raw.rglob("*.png")) if p.name[0] != "."]
        images = {p.stem: p for p in pictures if p.parent.name.lower().startswith("lizard_images")}
        for stem in sorted(images.keys() | folds.keys()):
            files = tuple(found[stem] for found in (images, labels) if stem in found)
            yield RawItem(stem, files, partial(self._read, stem, images, labels, folds))

    def _read(
        self,
        stem: str,
        images: dict[str, Path],
        labels: dict[str, Path],
        folds: Mapping[str, str],
    ) -> Item:
        if stem not in folds:
            raise UnreadableFileError(f"{stem} is not in info.csv, which says its fold")
        image = read_image(partner(stem, images, "picture"), upright=False)
        path = partner(stem, labels, "MAT file")
        arrays = read_mat(path)
        instances = as_labels(arrays["inst_map"], f"inst_map of {path}")
        semantic, dropped = _semantic(instances, arrays, path)
        return Item(
            id=stem,
            image=image,
            instances=instances,
            semantic=semantic,
            split=f"fold{folds[stem]}",
            tissue="colon",
            mpp=self.mpp,
            dropped=dropped,
        )


_COLUMNS = ("Filename", "Split")


def _semantic(
    instances: Array, arrays: Mapping[str, Array], path: Path
) -> tuple[Array, tuple[Dropped, ...]]:
    """The class of each pixel by the aligned lists, and the nuclei that are not in them."""
    missing = {"id", "class"} - arrays.keys()
    if missing:
        raise UnreadableFileError(f"{path} has no {' and no '.join(sorted(missing))}")
    ids, kinds = (np.asarray(arrays[key]).reshape(-1).astype(np.int64) for key in ("id", "class"))
    if len(ids) != len(kinds):
        raise UnreadableFileError(f"{path} lists {len(ids)} ids and {len(kinds)} classes")
    if len(kinds) and not (kinds.min() >= 1 and kinds.max() <= CLASSES and ids.min() > 0):
        raise UnreadableFileError(
            f"{path} holds classes {kinds.min()}..{kinds.max()} of ids from {ids.min()}; expected "
            f"classes 1..{CLASSES} of ids from 1"
        )
    highest = int(max(instances.max(initial=0), ids.max(initial=0)))
    table = np.zeros(highest + 1, dtype=np.uint8)
    table[ids] = kinds
    unnamed = np.setdiff1d(np.unique(instances[instances > 0]), ids)
    why = "its class: the nucleus is not in the list of ids and stays without one"
    return table[instances], tuple(Dropped(f"nucleus {n}", why) for n in unnamed)
