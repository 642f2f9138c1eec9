from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from typing_extensions import override

from histoseg.annotations import as_labels
from histoseg.contracts import Array
from histoseg.data.objects.source import Labelled, ObjectSource
from histoseg.data.pannuke import PanNuke
from histoseg.errors import UnreadableFileError
from histoseg.ops.class_masks import merge_class_masks

FILES = ("masks.npy", "labels.npy")
PLANES = len(PanNuke.CLASSES)


class ObjectArrays(ObjectSource):
    """The images of a fold in one NPY file, which stays on the disk; paired by position.

    Args:
        path: ``masks.npy`` (N, H, W, 5 or 6) of PanNuke, ids of a class per channel, the
            background last; ``labels.npy`` (N, H, W, 2) of CoNIC, ids and class; or label maps
            (N, H, W). PanNuke's ``types.npy``, beside it or in the folder of its images, gives
            the tissues.

    Raises:
        UnreadableFileError: If it has another shape, is cut short, or does not fit its tissues.
    """

    names = None

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._array = _opened(path)
        channels = self._array.shape[3:] or (1,)
        if channels[0] not in (1, 2, PLANES, PLANES + 1):
            raise UnreadableFileError(
                f"{path} has shape {self._array.shape}; expected (N, H, W, {PLANES} or "
                f"{PLANES + 1}) of PanNuke, (N, H, W, 2) of CoNIC, or (N, H, W) of ids"
            )
        self._tissues = _tissues(path, len(self._array))
        self.classes = PanNuke.CLASSES if channels[0] >= PLANES else None

    @override
    def __len__(self) -> int:
        return len(self._array)

    @override
    def read(
        self, index: int, size: tuple[int, int] | None, classes: Sequence[str] | None
    ) -> Labelled:
        name, values = f"image {index} of {self.where}", np.asarray(self._array[index])
        tissue = str(self._tissues[index]) if len(self._tissues) else ""
        if size is not None and values.shape[:2] != size:
            raise UnreadableFileError(f"{name} is {values.shape[:2]}; expected {size}")
        if values.ndim == 2:
            return Labelled(as_labels(values, name), tissue=tissue)
        if values.shape[2] == 2:
            semantic = as_labels(values[..., 1], f"classes of {name}")
            return Labelled(as_labels(values[..., 0], f"ids of {name}"), semantic, tissue=tissue)
        instances, semantic = merge_class_masks(values[..., :PLANES], name)
        planes = None
        if np.count_nonzero(values[..., :PLANES]) != np.count_nonzero(instances):
            planes = np.moveaxis(values[..., :PLANES], -1, 0).astype(np.int64)
        return Labelled(instances, semantic, planes, tissue=tissue)


def is_array_file(path: Path) -> Path | None:
    """The file of a fold that is meant by a file or a folder; None if none is."""
    if path.is_dir():
        return next((path / name for name in FILES if (path / name).is_file()), None)
    if path.suffix.lower() != ".npy" or not path.is_file():
        return None
    shape = _opened(path, any_shape=True).shape
    return path if len(shape) == 4 or (len(shape) == 3 and shape[2] > PLANES + 1) else None


def _opened(path: Path, *, any_shape: bool = False) -> Array:
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy lets token and end-of-file errors through
        raise UnreadableFileError(f"{path} is not a whole NPY file: {error}") from error
    if not any_shape and array.ndim not in (3, 4):
        raise UnreadableFileError(f"{path} has shape {array.shape}; expected (N, H, W, channels)")
    return array


def _tissues(path: Path, count: int) -> Array:
    folder = path.absolute().parent  # as unzipped: Fold 1/masks/fold1, Fold 1/images/fold1
    images = folder.parents[1] / "images" / folder.name if len(folder.parents) > 1 else folder
    beside = folder / "types.npy", images / "types.npy"
    found = next((p for p in beside if p.is_file()), None)
    if found is None:
        return np.zeros(0, dtype=str)
    types = _opened(found, any_shape=True)
    if types.shape != (count,):
        raise UnreadableFileError(
            f"{found} names {types.shape} tissues, {path} has {count} images; they are of two folds"
        )
    return np.char.decode(types) if types.dtype.kind == "S" else types.astype(str)
