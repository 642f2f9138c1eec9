from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.table_file import read_table

CLASSES = ("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")
_FILES = ("images.npy", "labels.npy", "counts.csv", "patch_info.csv")
_COUNTED = 16  # px on each side that counts.csv leaves out: 224 of 256


class CoNIC:
    """CoNIC 2022, its training patches: ``images.npy, labels.npy, counts.csv, patch_info.csv``.

    The arrays stay on the disk; an item reads its own patch. ``patch_info.csv`` names the image of
    Lizard that each patch was cut of: patches of one image stay together. ``counts.csv`` is used
    to verify the labels.

    Args:
        mpp: Micrometres per pixel.

    Source:
        TissueImageAnalytics/CoNIC ``extract_patches.py``, which wrote these files.
    """

    def __init__(self, mpp: float | None = 0.5) -> None:
        self.mpp = mpp

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the patches: see `histoseg.prepare.Source`."""
        found = sorted(raw.rglob("images.npy"), key=lambda path: len(path.parts))
        folder = found[0].parent if found else raw
        missing = [name for name in _FILES if not (folder / name).is_file()]
        if missing:
            raise DatasetNotFoundError(f"there is no {' and no '.join(missing)} in {folder}")
        images, labels, counts, info = (folder / name for name in _FILES)
        patches = _mapped(images, labels)
        names = [row["patch_info"] for row in read_table(info, ("patch_info",))]
        counted = _counts(counts)
        if not len(patches[0]) == len(names) == len(counted):
            raise UnreadableFileError(
                f"{folder} holds {len(patches[0])} patches, {len(counted)} lines of counts.csv and "
                f"{len(names)} of patch_info.csv; expected as many of each"
            )
        for row, name in enumerate(names):
            read = partial(self._read, name, row, patches, counted[row])
            yield RawItem(name, (images, labels), read)

    def _read(self, name: str, row: int, patches: tuple[Array, Array], counted: list[int]) -> Item:
        image, label = np.array(patches[0][row]), np.array(patches[1][row])
        instances, semantic = label[..., 0].astype(np.int32), label[..., 1]
        if semantic.max() > len(CLASSES):
            raise UnreadableFileError(
                f"{name} (row {row} of labels.npy) has class {semantic.max()}; expected "
                f"0..{len(CLASSES)}"
            )
        found = _count(instances, semantic)
        if found != counted:
            raise UnreadableFileError(
                f"{name} (row {row}) has {found} nuclei by class in its middle, counts.csv says "
                f"{counted}: the files are not of one release"
            )
        return Item(
            id=name,
            image=image,
            instances=instances,
            semantic=semantic.astype(np.uint8),
            group=name.rpartition("-")[0],
            tissue="colon",
            mpp=self.mpp,
        )


def _counts(path: Path) -> list[list[int]]:
    try:
        return [[int(row[c]) for c in CLASSES] for row in read_table(path, CLASSES)]
    except ValueError as error:
        raise UnreadableFileError(f"{path} holds a count that is no number: {error}") from error


def _mapped(images: Path, labels: Path) -> tuple[Array, Array]:
    arrays = []
    for path, channels in ((images, 3), (labels, 2)):
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # numpy lets token and end-of-file errors through
            raise UnreadableFileError(
                f"{path} ({path.stat().st_size} bytes) is not the NPY file it should be, perhaps "
                f"cut short: {error}"
            ) from error
        if array.ndim != 4 or array.shape[3] != channels or array.dtype.kind != "u":
            raise UnreadableFileError(
                f"{path} holds {array.dtype} {array.shape}; expected whole numbers "
                f"(N, H, W, {channels})"
            )
        arrays.append(array)
    if arrays[0].shape[:3] != arrays[1].shape[:3]:
        raise UnreadableFileError(f"{images} is {arrays[0].shape}, {labels} {arrays[1].shape}")
    return arrays[0], arrays[1]


def _count(instances: Array, semantic: Array) -> list[int]:
    """Nuclei of each class with a pixel in the middle, as ``counts.csv`` has them."""
    middle = (slice(_COUNTED, -_COUNTED), slice(_COUNTED, -_COUNTED))
    nuclei, kinds = instances[middle], semantic[middle]
    return [
        len(np.unique(nuclei[(kinds == kind) & (nuclei > 0)]))
        for kind in range(1, len(CLASSES) + 1)
    ]
