from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from histoseg.contracts import Array, Place, Record
from histoseg.data.bci_files import Listing, Stored, level_of, list_bci
from histoseg.data.file_dataset import FileDataset, OnError
from histoseg.data.patch_grid import Edge, Order, PatchGrid
from histoseg.data.splits import make_splits, part_of
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.slides import read_image

Partition = Literal["official", "ratio"]
HELD = 96
"""Decoded pictures that a process keeps at most: 288 MiB of 1024 x 1024."""
_log = logging.getLogger(__name__)


class BCI(FileDataset):
    """Breast tissue in H&E and, registered to it, in HER2 immunohistochemistry.

    Item ``i`` is patch ``i % parts`` of image ``i // parts``, the same of each stain. A decoded
    picture is kept until each of its patches was read; `Draws` brings these to one worker.

    Args:
        root: Folder in one of the layouts of `histoseg.data.bci_files.list_bci`.
        split: train, val or test.
        stains: ``ihc`` and ``he``; the first is drawn in order where they are unpaired.
        sides: Stains of A, or the left half, and of B.
        partition: ``official``: the folder test is the test split, and train is shared out between
            train and val in the proportion of their fractions, unless there is a folder val.
            ``ratio``: all images are shared out. By image, each HER2 level alike.
        fractions: Share of each split.
        seed: Of the partition and of ``subset``.
        subset: Share of the images of train and val that is used, of each level alike.
        paired: Whether both stains of an image are needed. Without, images without a partner are
            taken in train and val too; test takes pairs where there are any.
        side: Of all pictures, px.
        patch: Side of a patch, px; None for whole images.
        order: See `PatchGrid`.
        edge: See `PatchGrid`.
        mpp: Micrometres per pixel; NaN in ``place`` when None.
        on_error: As in `FileDataset`.

    Attributes:
        parts: Patches of an image.
        images: Stain -> names of its images in this split.

    Raises:
        DatasetNotFoundError: If the layout is unknown, or a partner is missing.
        ContractError: If a split has no image.

    Source:
        Liu et al. 2022, BCI, https://arxiv.org/abs/2204.11425.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"stains", "tissue", "place"})

    def __init__(
        self,
        root: str | Path,
        split: str,
        stains: Sequence[str] = ("ihc", "he"),
        sides: Sequence[str] = ("he", "ihc"),
        partition: Partition = "official",
        fractions: Mapping[str, float] | None = None,
        seed: int = 0,
        subset: float = 1.0,
        paired: bool = True,
        side: int = 1024,
        patch: int | None = 512,
        order: Order = "columns",
        edge: Edge = "drop",
        mpp: float | None = None,
        on_error: OnError = "raise",
    ) -> None:
        if sorted(stains) != sorted(sides) or len(sides) != 2 or not 0 < subset <= 1:
            raise ContractError(
                f"stains {list(stains)} must be the two of sides {list(sides)}, and subset "
                f"{subset} above 0 and at most 1"
            )
        self.grid = PatchGrid(side, patch, order, edge)
        self.parts, self.mpp = len(self.grid), float("nan") if mpp is None else mpp
        listing = list_bci(Path(root), sides)
        self._files = _by_name(listing, stains)
        if paired:
            _check_partners(self._files, listing.layout)
        shares = dict(fractions or {"train": 0.6, "val": 0.2, "test": 0.2})
        chosen = _in_split(listing.homes(stains), split, partition, shares, seed)
        if split != "test" and subset < 1:
            chosen = part_of(chosen, subset, seed, {name: level_of(name) for name in chosen})
        self.images = _images(self._files, chosen, alone=not paired and split != "test")
        longest = max(self.images.values(), key=len)
        self._held: OrderedDict[Stored, tuple[Array, set[int]]] = OrderedDict()
        names = (
            longest if patch is None else [f"{n}__{k}" for n in longest for k in range(self.parts)]
        )
        _log.info("%s, %s: %d images, %d patches", listing.layout, split, len(longest), len(names))
        self._names = {s: [f"{s}: {n}" for n in images] for s, images in self.images.items()}
        self._index = {name: i for i, name in enumerate(names)}
        super().__init__(names, on_error)

    def tissues(self) -> list[str]:
        """HER2 level of each item."""
        return [self._tissue(i) for i in range(len(self))]

    def read(self, name: str) -> Record:
        """Read a patch, or an image, in both stains: see `FileDataset.read`."""
        index = self._index[name]
        image, part = divmod(index, self.parts)
        stains = {stain: self._patch(stain, image, part) for stain in self.images}
        return self._record(stains, index, name)

    def drawn(self, index: int, seed: int) -> Record:
        """Read a patch of the first stain, and one of a random image of the other.

        The draws that `Draws` makes of the patches of one image share ``seed // parts``, which
        decides the image of the other stain, so that this is decoded once too.

        Args:
            index: Of the item.
            seed: Decides the draw.

        Raises:
            UnreadableFileError: If one cannot be read, and with "skip" if none can.
        """
        first, other = self.images
        image, part = divmod(index, self.parts)
        common, turn = divmod(seed, self.parts)
        rng = np.random.default_rng([common, 3])
        far = int(rng.integers(len(self.images[other])))
        there = int(rng.permutation(self.parts)[turn])
        stains = {
            first: self._readable(first, image, part),
            other: self._readable(other, far, there),
        }
        return self._record(stains, index, self.ids[index])

    def _readable(self, stain: str, image: int, part: int) -> Array:
        """A patch, or with "skip" that of the next image that can be read."""
        names = self._names[stain]
        return self.readable(names, lambda i: self._patch(stain, i, part), image % len(names))

    def _record(self, stains: dict[str, Array], index: int, name: str) -> Record:
        row, column = self.grid.corner(index % self.parts)
        place = Place(name, column, row, self.mpp)
        return Record(stains=stains, tissue=self._tissue(index), place=place)

    def _tissue(self, index: int) -> str:
        names = next(iter(self.images.values()))
        return level_of(names[index // self.parts % len(names)])

    def _patch(self, stain: str, image: int, part: int) -> Array:
        """A patch of a picture, which is decoded if it is not held, and let go after its last."""
        names = self.images[stain]
        stored = self._files[stain][names[image % len(names)]]
        if stored not in self._held:
            picture = _half(stored)
            if picture.shape[:2] != (self.grid.side, self.grid.side):
                raise UnreadableFileError(
                    f"{stored.path}: the {stain} picture is {picture.shape[0]} x {picture.shape[1]}"
                    f" pixels (height x width), expected {self.grid.side} x {self.grid.side}: set "
                    "data.dataset.side, or data.dataset.sides if halves are others"
                )
            self._held[stored] = picture, set()
        picture, seen = self._held[stored]
        self._held.move_to_end(stored)
        seen.add(part)
        if len(seen) == self.parts:
            del self._held[stored]
        elif len(self._held) > HELD:
            self._held.popitem(last=False)
        return self.grid.cut(picture, part)


def _half(stored: Stored) -> Array:
    picture = read_image(stored.path, upright=False)
    if stored.half is None:
        return picture
    middle, odd = divmod(picture.shape[1], 2)
    if odd:
        raise UnreadableFileError(
            f"{stored.path} is {picture.shape[1]} pixels wide and should be two pictures side by "
            "side: an even number"
        )
    return np.ascontiguousarray(
        picture[:, :middle] if stored.half == "left" else picture[:, middle:]
    )


def _by_name(listing: Listing, stains: Sequence[str]) -> dict[str, dict[str, Stored]]:
    """Stain -> name -> where it is, of all folders."""
    return {
        stain: {n: s for found in listing.folders.values() for n, s in found[stain].items()}
        for stain in stains
    }


def _check_partners(files: Mapping[str, Mapping[str, Stored]], layout: str) -> None:
    (first, these), (other, those) = files.items()
    alone = sorted({*these} ^ {*those})
    if alone:
        more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
        raise DatasetNotFoundError(
            f"{len(alone)} images ({layout}) are there in {first} or {other} alone: "
            f"{', '.join(alone[:5])}{more}. Bring their partners of the same name, move them away, "
            "or take stains as unpaired: data.augment.paired=false"
        )


def _in_split(
    homes: Mapping[str, str],
    split: str,
    partition: Partition,
    fractions: Mapping[str, float],
    seed: int,
) -> list[str]:
    """Names of the images of a split."""
    if partition not in ("official", "ratio"):
        raise ValueError(f"partition is {partition!r}; expected 'official' or 'ratio'")
    names = sorted(homes)
    if partition == "official":
        own = [name for name in names if homes[name] == split]
        if split == "test" or "val" in homes.values():
            names, fractions = own, {split: 1.0}
        else:
            names = [name for name in names if homes[name] == "train"]
            total = fractions["train"] + fractions["val"]
            fractions = {key: fractions[key] / total for key in ("train", "val")}
    if not names:
        raise ContractError(
            f"the folders have no image for {split}: leave it out, ~data.splits.{split}, or share "
            "out all images with data.dataset.partition=ratio"
        )
    strata = {name: level_of(name) for name in names}
    return make_splits({name: name for name in names}, fractions, seed, strata)[split]


def _images(
    files: Mapping[str, Mapping[str, Stored]], chosen: Sequence[str], *, alone: bool
) -> dict[str, list[str]]:
    """Stain -> its images of a split: those of both stains, or where ``alone`` all there are."""
    pairs = [name for name in chosen if all(name in found for found in files.values())]
    if pairs and not alone:
        return dict.fromkeys(files, pairs)
    images = {stain: [n for n in chosen if n in found] for stain, found in files.items()}
    for stain, names in images.items():
        if not names:
            raise ContractError(f"stain {stain!r} has no image in a split that the other has")
    return images
