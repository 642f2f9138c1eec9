from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from histoseg.contracts import Array, Place, Record
from histoseg.data.file_dataset import FileDataset, OnError, check_same_size
from histoseg.data.loading import Loading
from histoseg.data.splits import FRACTIONS
from histoseg.data.stack_files import check_codes, find_stacks, read_mask, split_stacks
from histoseg.errors import ContractError

_log = logging.getLogger(__name__)


class LoadingCodes(FileDataset):
    """Stacks of channels with masks of classes; loading codes say what of a stack is seen.

    Cells are the connected regions of each class.

    Args:
        root: Holds ``FullImage/<sub>/<stem>.ome.tif`` or ``.tif``, ``Mask_Norm/<sub>/<stem>.png``
            (class of each pixel) and, if it is there, ``codes.txt`` (background, then the classes,
            one a line).
        loading: Which channels of a stack become the image.
        classes: Names of classes 1..K.
        split: One of the keys of ``fractions``; None for all stacks.
        training: Whether codes draw anew for each item (`seeded`); else they are loaded as
            ``loading.evaluation`` says.
        fractions: Share of the groups in each split. Stacks of a sub-folder are a group; one
            directly in ``FullImage`` is its own.
        seed: Of the partition into splits.
        split_file: JSON that keeps the partition; written when absent, else read and checked.
        mpp: Micrometres per pixel; NaN in ``place`` when None.
        on_error: As in `FileDataset`.

    Raises:
        DatasetNotFoundError: If there are no stacks, or some lack their mask.
        ContractError: If names collide, ``codes.txt`` names other classes, or the split file does
            not fit.

    Source:
        Layout: wdlcameron/Cell-Segmentation-Using-Deep-Learning.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"image", "instances", "semantic", "place"})

    def __init__(
        self,
        root: str | Path,
        loading: Loading,
        classes: Sequence[str],
        split: str | None = None,
        training: bool = False,
        fractions: Mapping[str, float] = FRACTIONS,
        seed: int = 0,
        split_file: str | Path | None = None,
        mpp: float | None = None,
        on_error: OnError = "raise",
    ) -> None:
        if not classes:
            raise ContractError("data.classes is empty; masks have at least one class, as [cell]")
        self.loading, self.classes, self.training = loading, tuple(classes), training
        self.mpp = float("nan") if mpp is None else mpp
        self.items = find_stacks(Path(root))
        check_codes(Path(root), self.classes)
        keep, count = None if split_file is None else Path(split_file), len(self.classes)
        names: Sequence[str] = [*self.items]
        if split is not None:
            names = split_stacks(self.items, split, fractions, seed, keep, count)
        self._told = False
        super().__init__(names, on_error)

    def seeded(self, index: int, seed: int, wanted: Collection[str] = provides) -> Record:
        """Read an item as training sees it: what is random in its codes is drawn with a seed.

        Args:
            index: As in `FileDataset`.
            seed: Decides what is random.
            wanted: Keys that are used; cells are numbered only for those who ask.
        """
        rng = np.random.default_rng([seed, 4]) if self.training else None
        start = range(len(self))[index]
        return self.readable(self.ids, lambda i: self._read(self.ids[i], rng, wanted), start)

    def read(self, name: str) -> Record:
        """Read a stack and its mask: see `FileDataset.read`."""
        return self._read(name, None, self.provides)

    def _read(self, name: str, rng: np.random.Generator | None, wanted: Collection[str]) -> Record:
        item = self.items[name]
        image = self.loading.read(item.image, rng)
        semantic, white = read_mask(item, len(self.classes))
        if white and not self._told:
            self._told = True
            _log.warning("%s and maybe others: 255 is taken for class 1", item.mask)
        check_same_size(name, image.shape, semantic.shape, "mask")
        record = Record(image=image, semantic=semantic, place=Place(name, 0, 0, self.mpp))
        if "instances" in wanted:
            record["instances"] = _regions(semantic, len(self.classes))
        return record


def _regions(semantic: Array, count: int) -> Array:
    """Number the connected regions (of 4 neighbours) of all classes."""
    instances = np.zeros(semantic.shape, np.int32)
    most = 0
    for k in range(1, count + 1):
        inside = np.equal(semantic, k).view(np.uint8)
        found, labels = cv2.connectedComponents(inside, connectivity=4)
        parts: Array = np.asarray(labels)
        if most:
            parts[parts > 0] += most
        np.add(instances, parts, out=instances)
        most += found - 1
    return instances
