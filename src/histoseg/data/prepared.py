from __future__ import annotations

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from histoseg.annotations import read_labels
from histoseg.contracts import Array, Place, Record
from histoseg.data.file_dataset import FileDataset, OnError, check_same_size
from histoseg.data.splits import FRACTIONS, split_items
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.slides import read_image

FORMAT = 1  # of the layout that prepare/layout.py writes
_log = logging.getLogger(__name__)


class PreparedNuclei(FileDataset):
    """A set in the stored layout, which ``histoseg prepare`` writes.

    Args:
        root: Folder with ``dataset.json``.
        classes: Names of classes 1..K wanted; empty for nuclei without classes, and no "semantic".
        class_map: Name stored -> name wanted, where they differ; null leaves its nuclei without
            a class (0). Other classes keep their names.
        published: The published part, or parts, to take items from; None for all items.
        split: One of the keys of ``fractions``; None for all of ``published``.
        fractions: Share of the groups in each split of ``published``.
        seed: Of the partition into splits.
        split_file: JSON that keeps the partition; written when absent, else read and checked.
        mpp: Micrometres per pixel of items that do not say it; NaN in ``place`` when None.
        on_error: As in `FileDataset`. "raise" also refuses a set of which items failed when it
            was prepared; "skip" takes it without them.

    Where the set ignores parts of images, each record has "ignore" too.

    Attributes:
        ids: Names of the items of the split.
        rows: Item -> its row of ``items.csv``.

    Raises:
        DatasetNotFoundError: If the set was not prepared, or not to the end.
        ContractError: If its classes are not those wanted, or there is no such part.
        UnreadableFileError: If its tables are damaged, or items failed when it was prepared.
    """

    provides: ClassVar[frozenset[str]] = frozenset(
        {"image", "instances", "semantic", "tissue", "place"}
    )

    def __init__(
        self,
        root: str | Path,
        classes: Sequence[str] = (),
        class_map: Mapping[str, str | None] | None = None,
        published: str | Sequence[str] | None = None,
        split: str | None = None,
        fractions: Mapping[str, float] = FRACTIONS,
        seed: int = 0,
        split_file: str | Path | None = None,
        mpp: float | None = None,
        on_error: OnError = "raise",
    ) -> None:
        self.root = Path(root)
        self.classes = tuple(classes)
        self.mpp = float("nan") if mpp is None else mpp
        mark = _read_mark(self.root)
        _check_complete(self.root, mark, on_error)
        self._stored = list(mark["classes"])
        self._table = _class_table(mark["classes"], self.classes, class_map or {}, self.root)
        self.rows = _read_rows(self.root, mark["counts"]["items"])
        self._ignores = (self.root / "ignore").is_dir()  # if one item has it, all give it
        chosen = _published(self.rows, published, self.root)
        groups = {name: self.rows[name]["group"] for name in chosen}
        keep = None if split_file is None else Path(split_file)
        super().__init__(split_items(groups, split, fractions, seed, keep), on_error)

    def tissues(self) -> list[str]:
        """Tissue of each item, from ``items.csv``."""
        return [self.rows[name]["tissue"] for name in self.ids]

    def class_counts(self) -> Array:
        """Nuclei of each wanted class in each item (N, K), from ``items.csv``."""
        stored = [[int(self.rows[name][c]) for c in self._stored] for name in self.ids]
        counts = np.zeros((len(self.ids), 1 + len(self.classes)), dtype=np.int64)
        for column, number in zip(np.array(stored, np.int64).T, self._table[1:], strict=True):
            counts[:, number] += column
        return counts[:, 1:]

    def read(self, name: str) -> Record:
        """Read an image and its maps: see `FileDataset.read`."""
        image = read_image(self.root / "images" / f"{name}.png", upright=False)
        instances = read_labels(self.root / "instances" / f"{name}.tif")
        check_same_size(name, image.shape, instances.shape, "instance map")
        row = self.rows[name]
        place = Place(name, 0, 0, float(row["mpp"] or self.mpp))
        record = Record(image=image, instances=instances, tissue=row["tissue"], place=place)
        if self.classes:
            semantic = read_labels(self.root / "semantic" / f"{name}.png")
            check_same_size(name, image.shape, semantic.shape, "class map")
            highest = int(semantic.max(initial=0))
            if highest >= len(self._table):
                raise UnreadableFileError(f"{name}: its class map holds {highest}; prepare again")
            record["semantic"] = self._table[semantic]
        if self._ignores:
            record["ignore"] = self._ignored(name, instances.shape)
        return record

    def _ignored(self, name: str, size: tuple[int, ...]) -> Array:
        """Pixels (H, W), bool, of which the annotation says nothing."""
        path = self.root / "ignore" / f"{name}.png"
        if not path.is_file():
            return np.zeros(size, dtype=bool)
        ignore = read_labels(path) > 0
        check_same_size(name, size, ignore.shape, "ignore map")
        return ignore


def _read_mark(root: Path) -> dict[str, Any]:
    path = root / "dataset.json"
    if not path.is_file():
        state = "was not prepared to the end" if root.is_dir() else "is not there"
        raise DatasetNotFoundError(
            f"{root} {state} (no dataset.json). Run `histoseg prepare data={root.name}`, which "
            "says what it downloads; or for your own annotations `histoseg prepare "
            f"annotations=<files> images=<folder> output={root}`"
        )
    try:
        mark: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version, *_ = mark["format"], mark["classes"], mark["counts"]["items"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(f"{path} is damaged ({error!r}); prepare again") from error
    if version != FORMAT:
        raise ContractError(
            f"{root} has layout {version}, this histoseg reads {FORMAT}: prepare it again"
        )
    return mark


def _check_complete(root: Path, mark: Mapping[str, Any], on_error: OnError) -> None:
    failed, problems = mark.get("failed", []), mark.get("problems", [])
    if failed and on_error == "raise":
        raise UnreadableFileError(
            f"{len(failed)} items of {root} could not be prepared: {', '.join(failed[:5])} (see "
            "its report.csv). Mend them and prepare again, or leave them out with "
            "data.dataset.on_error=skip"
        )
    for problem in [*problems, *(f"{name} could not be prepared" for name in failed)]:
        _log.warning("%s: %s", root, problem)


def _class_table(
    stored: Sequence[str], wanted: Sequence[str], names: Mapping[str, str | None], root: Path
) -> Array:
    """Class stored -> class wanted, by number: (1 + number of stored classes,), uint8."""
    if not wanted:
        return np.zeros(len(stored) + 1, dtype=np.uint8)
    mapped = [names.get(name, name) for name in stored]
    unknown = set(names) - set(stored)
    missed = {name for name in mapped if name is not None} ^ set(wanted)
    plain = not names and tuple(stored) != tuple(wanted)
    if unknown or missed or plain:
        by_map = f", by class_map {mapped}" if names else ""
        raise ContractError(
            f"{root} holds the classes {list(stored)}{by_map}; the configuration wants "
            f"{list(wanted)}, in this order. Take its classes, or lead them to yours with "
            "data.dataset.class_map={name stored: name wanted}"
        )
    numbers = [0 if name is None else 1 + list(wanted).index(name) for name in mapped]
    return np.array([0, *numbers], dtype=np.uint8)


def _read_rows(root: Path, count: int) -> dict[str, dict[str, str]]:
    path = root / "items.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = {row["id"]: row for row in csv.DictReader(file)}
        fits = len(rows) == count and all(
            {"split", "group", "mpp"} <= set(r) for r in rows.values()
        )
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise UnreadableFileError(f"{path} cannot be read ({error!r}); prepare again") from error
    if not fits:
        raise UnreadableFileError(
            f"{path} has not the {count} items of dataset.json; prepare again"
        )
    return rows


def _published(
    rows: Mapping[str, Mapping[str, str]], wanted: str | Sequence[str] | None, root: Path
) -> list[str]:
    if wanted is None:
        return list(rows)
    parts = {wanted} if isinstance(wanted, str) else set(wanted)
    there = {row["split"] for row in rows.values()}
    if not parts <= there or not parts:
        raise ContractError(
            f"{root} has the published parts {sorted(there)}; the configuration wants "
            f"{sorted(parts)}"
        )
    return [name for name, row in rows.items() if row["split"] in parts]
