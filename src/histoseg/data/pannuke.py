from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch.utils.data import Dataset

from histoseg.contracts import Array, Place, Record
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.ops.class_masks import image_bytes, merge_class_masks

_LAYOUTS = (
    {name: f"fold{{k}}/{name}.npy" for name in ("images", "instances", "semantic", "types")},
    {
        "images": "Fold {k}/images/fold{k}/images.npy",
        "types": "Fold {k}/images/fold{k}/types.npy",
        "masks": "Fold {k}/masks/fold{k}/masks.npy",
    },
    {name: f"fold{{k}}/{name}.npy" for name in ("images", "types", "masks")},
)
"""As ``histoseg prepare data=pannuke`` stores it; as unzipped; as mirrors flatten it."""
_PLANES = 6
"""Channels of masks.npy: five classes and the background."""


class PanNuke(Dataset[Record]):
    """PanNuke: 7,901 H&E tiles of 19 tissues with nuclei of five classes, in three folds.

    The arrays stay on the disk: each process maps the files when it first needs them, so that
    workers share one copy in the page cache, and an item reads its own tile only.

    Args:
        root: Folder that holds ``fold1`` .. ``fold3`` (as prepared, which is read fastest, or as
            mirrors have them) or ``Fold 1`` .. ``Fold 3`` (as unzipped).
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
        Gamper et al. 2020, PanNuke Dataset Extension; for the conversion to one map, see
        `histoseg.ops.class_masks`.
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
        image, instances, semantic = _read(arrays, row, name)
        return Record(
            image=image,
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
        "and set paths.data to the folder above; or let `histoseg prepare data=pannuke` get it"
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
    if len(tile) != 3 or any(shape != expected.get(name, tile) for name, shape in shapes.items()):
        raise UnreadableFileError(
            f"the arrays beside {paths['images']} have shapes {shapes}; expected images "
            f"(N, H, W, 3), types (N,) and masks (N, H, W, {_PLANES}), or prepared instances and "
            "semantic (N, H, W), of one N, H, W"
        )
    return arrays


def _read(arrays: dict[str, Array], row: int, name: str) -> tuple[Array, Array, Array]:
    """Image, instances and semantic of one tile, as `Record` says."""
    image = np.array(arrays["images"][row])
    if "masks" in arrays:
        classes = arrays["masks"][row][:, :, : _PLANES - 1]
        return image_bytes(image, name), *merge_class_masks(classes, name)
    instances, semantic = arrays["instances"][row], np.array(arrays["semantic"][row])
    types = (image.dtype, instances.dtype.kind, semantic.dtype)
    if types[0] != np.uint8 or types[1] not in "iu" or types[2] != np.uint8:
        raise UnreadableFileError(
            f"{name}: prepared arrays are {[str(t) for t in types]}; expected uint8, integers and "
            "uint8. Run `histoseg prepare data=pannuke` again"
        )
    return image, instances.astype(np.int32), semantic
