from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch.utils.data import Dataset

from histoseg.contracts import Array, Place, Record
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError

_LAYOUTS = (
    {
        "images": "Fold {k}/images/fold{k}/images.npy",
        "types": "Fold {k}/images/fold{k}/types.npy",
        "masks": "Fold {k}/masks/fold{k}/masks.npy",
    },
    {name: f"fold{{k}}/{name}.npy" for name in ("images", "types", "masks")},
)
_PLANES = 6
"""Channels of masks.npy: five classes and the background."""


class PanNuke(Dataset[Record]):
    """PanNuke: 7,901 H&E tiles of 19 tissues with nuclei of five classes, in three folds.

    The arrays stay on the disk: each process maps the files when it first needs them, so that
    workers share one copy in the page cache, and an item reads its own tile only.

    Args:
        root: Folder that holds ``Fold 1`` .. ``Fold 3`` (as unzipped) or ``fold1`` .. ``fold3``.
        folds: Which of 1, 2, 3, in the order wanted.
        classes: The class list of the configuration, to be compared with this one's.

    Attributes:
        CLASSES: Names of classes 1..5, in the order of the mask channels.
        MPP: Micrometres per pixel of every tile.

    Raises:
        DatasetNotFoundError: If a fold's files are not there.
        UnreadableFileError: If a file is cut short or its header does not fit.
        ContractError: If ``classes`` is another list.
        ValueError: If ``folds`` is empty, repeats one, or names one outside 1..3.

    Source:
        Gamper et al. 2020, PanNuke Dataset Extension; the conversion to one map follows the
        metric's own ``binarize``: later channels overwrite earlier ones.
    """

    provides: ClassVar[frozenset[str]] = frozenset(
        {"image", "instances", "semantic", "tissue", "place"}
    )
    CLASSES: ClassVar[tuple[str, ...]] = (
        "neoplastic",
        "inflammatory",
        "connective",
        "dead",
        "epithelial",
    )
    MPP: ClassVar[float] = 0.25

    def __init__(
        self,
        root: str | Path,
        folds: Sequence[int],
        classes: Sequence[str] | None = None,
    ) -> None:
        if classes is not None and tuple(classes) != self.CLASSES:
            raise ContractError(
                f"PanNuke's classes are {list(self.CLASSES)}; the configuration names "
                f"{list(classes)}. Take PanNuke's list, in its order"
            )
        if not folds or len(set(folds)) != len(folds) or not set(folds) <= {1, 2, 3}:
            raise ValueError(f"folds is {list(folds)}; expected some of 1, 2, 3, each once")
        self.root = Path(root)
        self.folds = tuple(folds)
        self._paths = {fold: _find(self.root, fold) for fold in self.folds}
        self._open: dict[int, dict[str, Array]] = {}
        self._starts = np.cumsum([0, *(len(self._fold(k)["types"]) for k in self.folds)])
        self._open = {}  # workers map the files themselves

    def __getstate__(self) -> dict[str, Any]:
        """All but the mapped files: pickling a map would read it whole."""
        return {**self.__dict__, "_open": {}}

    def __len__(self) -> int:
        """Number of tiles in the folds."""
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Record:
        """Read a tile.

        Args:
            index: 0..len - 1, or from the end when negative.

        Returns:
            The record; ``place.slide`` is ``fold<k>_<number>``, number from 0 within the fold.

        Raises:
            UnreadableFileError: If the tile holds values that PanNuke does not.
        """
        index = range(len(self))[index]
        which = int(np.searchsorted(self._starts, index, side="right")) - 1
        fold, row = self.folds[which], index - int(self._starts[which])
        arrays = self._fold(fold)
        name = f"fold{fold}_{row:04d}"
        instances, semantic = _merged(np.asarray(arrays["masks"][row]), name)
        return Record(
            image=_image(np.asarray(arrays["images"][row]), name),
            instances=instances,
            semantic=semantic,
            tissue=_text(arrays["types"][row]),
            place=Place(name, 0, 0, self.MPP),
        )

    def tissues(self) -> list[str]:
        """Tissue of each tile, from ``types.npy`` alone."""
        return [_text(name) for fold in self.folds for name in self._fold(fold)["types"]]

    def _fold(self, fold: int) -> dict[str, Array]:
        if fold not in self._open:
            self._open[fold] = _mapped(self._paths[fold])
        return self._open[fold]


def _find(root: Path, fold: int) -> dict[str, Path]:
    for layout in _LAYOUTS:
        paths = {name: root / path.format(k=fold) for name, path in layout.items()}
        if all(path.is_file() for path in paths.values()):
            return paths
    wanted = " or ".join(", ".join(p.format(k=fold) for p in lay.values()) for lay in _LAYOUTS)
    raise DatasetNotFoundError(
        f"PanNuke fold {fold} is not in {root}; expected {wanted}. Get fold_{fold}.zip from "
        "https://warwick.ac.uk/fac/cross_fac/tia/data/pannuke (CC BY-NC-SA 4.0), unzip it there, "
        "and set paths.data to the folder above"
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _mapped(paths: dict[str, Path]) -> dict[str, Array]:
    arrays = {}
    for name, path in paths.items():
        try:
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # numpy lets token and end-of-file errors through
            raise UnreadableFileError(
                f"{path} ({path.stat().st_size} bytes) is not the NPY file it should be, perhaps "
                f"cut short: {error}. Fetch the fold again"
            ) from error
    shapes = {name: array.shape for name, array in arrays.items()}
    tile = shapes["images"][:3]
    expected = {"images": (*tile, 3), "masks": (*tile, _PLANES), "types": tile[:1]}
    if len(tile) != 3 or shapes != expected:
        raise UnreadableFileError(
            f"the arrays beside {paths['images']} have shapes {shapes}; expected images "
            f"(N, H, W, 3), masks (N, H, W, {_PLANES}) and types (N,) of one N, H, W"
        )
    return arrays


def _image(values: Array, name: str) -> Array:
    low, high = values.min(), values.max()
    unit = values.dtype.kind == "f" and 0 < high <= 1
    if not (low >= 0 and high <= 255) or unit:
        raise UnreadableFileError(
            f"{name}: image values are {low}..{high} ({values.dtype}); expected 0..255"
        )
    return values.astype(np.uint8)


def _merged(masks: Array, name: str) -> tuple[Array, Array]:
    """Merge class channels (H, W, 6) into instances and semantic; later channels win."""
    size = masks.shape[0] * masks.shape[1]
    instances, semantic = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.uint8)
    offset = 0
    for channel, plane in enumerate(masks.reshape(size, _PLANES).T[: _PLANES - 1]):
        values = np.ascontiguousarray(plane)  # one copy is quicker than strided reads
        pixels = np.flatnonzero(values)
        if not len(pixels):
            continue
        ids = np.unique(values[pixels])
        if not (ids[0] > 0 and np.array_equal(ids, np.floor(ids))):
            raise UnreadableFileError(
                f"{name}: mask channel {channel} holds {ids[0]}..{ids[-1]} or fractions; "
                "expected whole ids of 0 or more"
            )
        instances[pixels] = offset + 1 + np.searchsorted(ids, values[pixels])
        semantic[pixels] = channel + 1
        offset += len(ids)
    return instances.reshape(masks.shape[:2]), semantic.reshape(masks.shape[:2])
