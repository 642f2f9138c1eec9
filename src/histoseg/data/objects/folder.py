from __future__ import annotations

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from typing_extensions import override

from histoseg.annotations import LABEL_SUFFIXES, OBJECT_SUFFIXES, number, read_labels, read_objects
from histoseg.contracts import Array
from histoseg.data.objects.source import Labelled, ObjectSource
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError

RESULTS = ("mat", "json", "geojson")  # subfolders that ``histoseg predict`` writes, best first
NOT_OBJECTS = frozenset({"type_info.json", "dataset.json", "environment.json"})
_log = logging.getLogger(__name__)


class ObjectFolder(ObjectSource):
    """A folder with one file an image, of any format that `read_objects` reads; or one file.

    Of what ``histoseg predict`` wrote, ``mat/``, ``json/`` or ``geojson/`` is taken, whichever
    comes first; of the stored layout (``histoseg prepare``) ``instances/``, ``semantic/``,
    ``ignore/``, ``items.csv`` and ``dataset.json``.

    Args:
        path: The folder or file.

    Raises:
        DatasetNotFoundError: If there is none, or it holds no file of a known kind.
        ContractError: If two files share a stem.
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._root, folder = path, path
        for name in ("instances", *RESULTS):
            if path.is_dir() and (path / name).is_dir():
                folder = path / name
                break
        self._files = _by_stem(folder)
        self.names = tuple(self._files)
        table = path / "items.csv"
        stored = folder.name == "instances" and table.is_file()
        self._rows = read_items(table) if stored else {}
        self.classes = _stored_classes(path)

    @override
    def __len__(self) -> int:
        return len(self._files)

    @override
    def is_drawn(self, index: int) -> bool:
        return self._file(index).suffix.lower() not in LABEL_SUFFIXES

    @override
    def read(
        self, index: int, size: tuple[int, int] | None, classes: Sequence[str] | None
    ) -> Labelled:
        path = self._file(index)
        objects = read_objects(path, size, classes)
        name = stem(path)
        row = self._rows.get(name, {})
        shape = objects.instances.shape
        semantic = self._beside("semantic", name, shape)
        ignore = self._beside("ignore", name, shape)
        return Labelled(
            instances=objects.instances,
            semantic=objects.semantic if semantic is None else semantic,
            ignore=None if ignore is None else ignore > 0,
            tissue=row.get("tissue", ""),
            group=row.get("group", ""),
            mpp=float(row.get("mpp") or "nan"),
            dropped=objects.dropped,
        )

    def _file(self, index: int) -> Path:
        return list(self._files.values())[index]

    def _beside(self, kind: str, name: str, shape: tuple[int, ...]) -> Array | None:
        """A map of the stored layout that goes with an instance map, if there is one."""
        folder = self._root / kind
        if not (self._root / "instances").is_dir() or not folder.is_dir():
            return None
        found = [p for s in LABEL_SUFFIXES if (p := folder / f"{name}{s}").is_file()]
        if not found:
            if kind == "ignore":
                return None
            raise UnreadableFileError(f"{folder} has no class map of {name}")
        values = read_labels(found[0])
        if values.shape != shape:
            raise UnreadableFileError(f"{found[0]} is {values.shape}, its instance map {shape}")
        return values


def stem(path: Path) -> str:
    """Name of the image of a file: all but the last suffix, and ``.gz``; other dots stay."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).stem


def read_items(path: Path) -> dict[str, Mapping[str, str]]:
    """Read a table of images: ``id`` (or ``image``), and maybe ``tissue``, ``group``, ``mpp``.

    Returns:
        Rows by name of the image.

    Raises:
        UnreadableFileError: If it is no such table, names an image twice, or has an ``mpp`` that
            is no number above 0.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise UnreadableFileError(f"{path} cannot be read as CSV: {error}") from error
    key = next((k for k in ("id", "image") if rows and k in rows[0]), None)
    if rows and key is None:
        raise UnreadableFileError(
            f"{path} has columns {list(rows[0])}; expected 'id' or 'image', and commas between them"
        )
    found: dict[str, Mapping[str, str]] = {}
    for row in rows:
        name = row[key or "id"]
        if name in found:
            raise UnreadableFileError(f"{path} has two rows of {name}: keep one")
        if row.get("mpp") and not number(row["mpp"]) > 0:
            raise UnreadableFileError(
                f"{path}, {name}: mpp is {row['mpp']!r}; expected micrometres per pixel, above 0"
            )
        found[name] = row
    return found


def _stored_classes(root: Path) -> tuple[str, ...] | None:
    path = root / "dataset.json"
    if not path.is_file():
        return None
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))["classes"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(f"{path} names no classes: {error!r}") from error


def _by_stem(path: Path) -> dict[str, Path]:
    kinds = " ".join(sorted(OBJECT_SUFFIXES))
    if path.is_file():
        return {stem(path): path}
    if not path.is_dir():
        raise DatasetNotFoundError(
            f"there is no file or folder {path} (seen from {Path.cwd()}); expected {kinds} files"
        )
    found: dict[str, Path] = {}
    for one in sorted(path.iterdir()):
        known = one.suffix.lower() in OBJECT_SUFFIXES and one.name not in NOT_OBJECTS
        if not known or one.name.startswith(".") or one.is_dir():
            continue
        name = stem(one)
        if name in found:
            raise ContractError(
                f"{found[name].name} and {one.name} in {path} share a name; truths and predictions "
                "are paired by it: put files of one kind into a folder of their own"
            )
        found[name] = one
    if not found:
        raise DatasetNotFoundError(f"{path} holds no {kinds} file")
    return found
