from __future__ import annotations

import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.ops.class_masks import image_bytes, merge_class_masks
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.npy_rows import NpyRows

_ARRAYS = ("images", "types", "masks")
_CLASSES = 5


class PanNuke:
    """The folds of PanNuke as published, read tile by tile.

    A fold is three arrays, most of them float64, 12 GB in all. They are read from
    ``fold_<k>.zip`` without unzipping it, or from the unzipped ``Fold <k>``.

    Args:
        folds: Which of 1, 2, 3.
        mpp: Micrometres per pixel of every tile.
    """

    def __init__(self, folds: tuple[int, ...] = (1, 2, 3), mpp: float = 0.25) -> None:
        self.folds, self.mpp = tuple(folds), mpp

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the tiles: see `histoseg.prepare.Source`.

        Raises:
            DatasetNotFoundError: If a fold is not there.
            UnreadableFileError: If the arrays of a fold are damaged or do not belong together.
        """
        for fold in self.folds:
            arrays = _opened(raw, fold)
            files = tuple(dict.fromkeys(array.path for array in arrays.values()))
            for row in range(len(arrays["images"])):
                name = f"fold{fold}_{row:04d}"
                yield RawItem(name, files, partial(self._read, arrays, row, name))

    def _read(self, arrays: dict[str, NpyRows], row: int, name: str) -> Item:
        image, masks, tissue = (arrays[part][row] for part in ("images", "masks", "types"))
        instances, semantic = merge_class_masks(masks[:, :, :_CLASSES], name)
        text = tissue.item()
        return Item(
            id=name,
            image=image_bytes(image, name),
            instances=instances,
            semantic=semantic,
            split=name.partition("_")[0],
            tissue=text.decode() if isinstance(text, bytes) else text,
            mpp=self.mpp,
        )


def _opened(raw: Path, fold: int) -> dict[str, NpyRows]:
    arrays = _unzipped(raw, fold) or _zipped(raw / f"fold_{fold}.zip")
    if not arrays:
        raise DatasetNotFoundError(
            f"PanNuke fold {fold} is not in {raw}; expected fold_{fold}.zip, or the folder "
            f"'Fold {fold}' of it with images.npy, types.npy and masks.npy"
        )
    shapes = {name: array.shape for name, array in arrays.items()}
    tiles = shapes["images"][:3]
    expected = {"images": (*tiles, 3), "masks": (*tiles, _CLASSES + 1), "types": tiles[:1]}
    if len(tiles) != 3 or shapes != expected:
        raise UnreadableFileError(
            f"the arrays of PanNuke fold {fold} have shapes {shapes}; expected images "
            f"(N, H, W, 3), masks (N, H, W, {_CLASSES + 1}) and types (N,) of one N, H, W"
        )
    wide = arrays["masks"].dtype
    if wide.kind not in "uif" or arrays["types"].dtype.kind not in "SU":
        raise UnreadableFileError(f"masks are {wide}, types {arrays['types'].dtype}")
    return arrays


def _unzipped(raw: Path, fold: int) -> dict[str, NpyRows]:
    """Arrays as unzipped, or in one folder as mirrors have them; empty where they are not."""
    spread = raw / f"Fold {fold}"
    for folders in ((spread / "images", spread / "masks"), (raw, raw)):
        places = dict(zip(_ARRAYS, (folders[0], folders[0], folders[1]), strict=True))
        paths = {name: at / f"fold{fold}" / f"{name}.npy" for name, at in places.items()}
        if all(path.is_file() for path in paths.values()):
            return {name: NpyRows(path) for name, path in paths.items()}
    return {}


def _zipped(path: Path) -> dict[str, NpyRows]:
    if not path.is_file():
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
    except (zipfile.BadZipFile, OSError) as error:
        raise UnreadableFileError(
            f"{path} ({path.stat().st_size} bytes) is no ZIP archive: {error}. Fetch it again"
        ) from error
    members = {}
    for part in _ARRAYS:
        found = [name for name in names if Path(name).name == f"{part}.npy"]
        if len(found) != 1:
            raise UnreadableFileError(f"{path} holds {len(found)} files {part}.npy; expected one")
        members[part] = NpyRows(path, found[0])
    return members
