from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from histoseg.contracts import Array, Place, Record
from histoseg.data.file_dataset import FileDataset, OnError
from histoseg.data.patch_store import FIELDS, PatchStore
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError

_log = logging.getLogger(__name__)
STORE = "patches.zarr"


class Patches(FileDataset):
    """Patches on disk: those of ``histoseg patches``, or ``.npy`` files of the original HoVer-Net.

    Args:
        root: Folder of the patches.
        folder: Below it, if they are not in ``root`` itself.
        classes: Names of classes 1..K; empty to read nuclei without classes.
        mpp: Micrometres per pixel; NaN in ``place`` when None.
        on_error: As in `FileDataset`.

    Raises:
        DatasetNotFoundError: If there are no patches.
        ContractError: If ``classes`` is given and the patches have none.
        UnreadableFileError: If a ``patches.zarr`` is damaged.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"image", "instances", "semantic", "place"})

    def __init__(
        self,
        root: str | Path,
        folder: str | Path = "",
        classes: Sequence[str] = (),
        mpp: float | None = None,
        on_error: OnError = "raise",
    ) -> None:
        self.folder, self.classes = Path(root) / folder, tuple(classes)
        self.mpp = float("nan") if mpp is None else mpp
        self._store = PatchStore(self.folder / STORE) if (self.folder / STORE).is_dir() else None
        if self._store is not None:
            names = self._store.names
        else:
            names = sorted(path.stem for path in self.folder.glob("*.npy"))
        if not names:
            raise DatasetNotFoundError(
                f"{self.folder} holds no patches (*.npy or {STORE}). Cut them with "
                "histoseg patches data=<name> split=<split>, or set data.dataset.root and "
                "data.splits.<split>.folder"
            )
        if self.classes and self._store is not None and "semantic" not in self._store.shapes:
            raise ContractError(_NO_CLASSES.format(self.folder, list(self.classes)))
        self._index = {name: index for index, name in enumerate(names)}
        self._check_complete()
        super().__init__(names, on_error)

    def read(self, name: str) -> Record:
        """Read a patch: see `FileDataset.read`."""
        if self._store is not None:
            fields = self._store.read(self._index[name])
        else:
            fields = _read_npy(self.folder / f"{name}.npy")
        record = Record(
            image=fields["image"],
            instances=fields["instances"],
            place=Place(name, 0, 0, self.mpp),
        )
        if self.classes:
            record["semantic"] = self._semantic(fields, name)
        return record

    def _semantic(self, fields: dict[str, Array], name: str) -> Array:
        if "semantic" not in fields:
            raise ContractError(_NO_CLASSES.format(self.folder / name, list(self.classes)))
        semantic = fields["semantic"]
        highest = int(semantic.max(initial=0))
        if highest > len(self.classes):
            raise ContractError(
                f"{name} holds class {highest}, but classes names only {len(self.classes)}: "
                f"{list(self.classes)}. Name all classes of the patches"
            )
        return semantic.astype(np.uint8, copy=False)

    def _check_complete(self) -> None:
        """Say so if an extraction was stopped."""
        facts = self.folder / "patches.json"
        if facts.is_file() and not json.loads(facts.read_text()).get("complete"):
            _log.warning(
                "%s: not all images were cut (%d patches). The command that began it goes on",
                *(self.folder, len(self._index)),
            )


_NO_CLASSES = (
    "{} has no classes, but the configuration names {}: cut patches of data with classes, or read "
    "nuclei alone with data.classes=[] data.colours=[]"
)


def _read_npy(path: Path) -> dict[str, Array]:
    try:
        # mapped, so that each channel is copied once, and to its own type
        stacked = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy lets struct, syntax and token errors through
        raise UnreadableFileError(f"{path} cannot be read as a patch: {error}") from error
    if stacked.ndim != 3 or stacked.shape[2] not in (4, 5) or stacked.dtype.kind not in "iuf":
        raise UnreadableFileError(
            f"{path} is {stacked.dtype} {stacked.shape}; expected whole numbers (S, S, 4 or 5): "
            "red, green, blue, instance[, class]"
        )
    parts = {"image": stacked[..., :3], "instances": stacked[..., 3]}
    if stacked.shape[2] == 5:
        parts["semantic"] = stacked[..., 4]
    return {name: _as_field(values, name, path) for name, values in parts.items()}


def _as_field(values: Array, name: str, path: Path) -> Array:
    field = values.astype(FIELDS[name], casting="unsafe")
    if not np.array_equal(field, values) or field.min(initial=0) < 0:
        raise UnreadableFileError(
            f"{path}: {name} holds {values.min()}..{values.max()}; expected whole numbers of "
            f"0..{np.iinfo(FIELDS[name]).max}"
        )
    return field
