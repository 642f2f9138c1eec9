from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from histoseg.annotations import Dropped, read_labels
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.slides import read_image

IMAGES, LABELS, VAGUE = "tissue images", "label masks modify", "vague areas"
FOLDS, SEED = 5, 19
_NO_MASK = Dropped("vague areas", "no mask of ambiguous areas: the whole image is scored")


class NuInsSeg:
    """NuInsSeg: a folder per organ with ``tissue images``, ``label masks modify``, ``vague areas``.

    All images of an organ are of one slide, so the organ is the group. The published part is the
    fold of the authors' rule (five folds, shuffled with 19), over the images in the order of their
    organ and name; the authors do not state the order of their list.

    Args:
        mpp: Micrometres per pixel; None where it is not stated.

    Source:
        masih4/NuInsSeg, README; see docs/data/nuinsseg.md for the folder of ambiguous areas.
    """

    def __init__(self, mpp: float | None = None) -> None:
        self.mpp = mpp

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the images: see `histoseg.prepare.Source`."""
        folders = sorted(p for p in raw.rglob(IMAGES) if p.is_dir())
        images = [p for folder in folders for p in _pictures(folder)]
        if not images:
            raise DatasetNotFoundError(f"there is no folder <organ>/{IMAGES} with PNG in {raw}")
        for image, fold in zip(images, _folds(len(images)), strict=True):
            organ = image.parent.parent
            label, vague = organ / LABELS / f"{image.stem}.tif", _vague(organ, image.name)
            files = tuple(p for p in (image, vague, label) if p is not None and p.is_file())
            name = _name(organ.name, image.stem)
            read = partial(self._read, name, f"fold{fold}", image, label, vague)
            yield RawItem(name, files, read)

    def _read(self, name: str, split: str, image: Path, label: Path, vague: Path | None) -> Item:
        if not label.is_file():
            raise UnreadableFileError(f"{image} has no {LABELS}/{label.name}")
        organ = image.parent.parent.name
        return Item(
            id=name,
            image=read_image(image, upright=False),
            instances=read_labels(label),
            split=split,
            group=organ,
            tissue=organ,
            mpp=self.mpp,
            ignore=None if vague is None else read_labels(vague) > 0,
            dropped=(_NO_MASK,) if vague is None else (),
        )


def _pictures(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.glob("*.png")) if p.name[0] != "."]


def _vague(organ: Path, name: str) -> Path | None:
    """The mask of ambiguous areas; copies of the set differ in the name of its folder."""
    folders = (organ / VAGUE / "mask binary", organ / VAGUE / "mask binary_vague")
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _name(organ: str, stem: str) -> str:
    organ = organ.strip().replace(" ", "_")
    return stem if stem.lower().startswith(organ.lower()) else f"{organ}_{stem}"


def _folds(count: int) -> list[int]:
    """The test fold, 1..5, of each image: ``KFold(5, shuffle=True, random_state=19)``."""
    order = np.arange(count)
    np.random.RandomState(SEED).shuffle(order)  # as scikit-learn does it
    folds = np.zeros(count, dtype=int)
    for fold, members in enumerate(np.array_split(order, FOLDS), start=1):
        folds[members] = fold
    return [int(fold) for fold in folds]
