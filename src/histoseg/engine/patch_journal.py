from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from histoseg.engine.record import write_json
from histoseg.errors import ContractError, UnreadableFileError


class Row(NamedTuple):
    """One patch in ``patches.csv``.

    Attributes:
        patch: Its name.
        item: Number of its image in the split.
        image: Name of its image.
        of: How many patches the image has.
        y: Row of its upper left pixel in the image; negative in the mirrored border.
        x: Column of it.
    """

    patch: str
    item: int
    image: str
    of: int
    y: int
    x: int


_OF = ("of", "y", "x")


class PatchJournal:
    """What of a split is cut already: ``patches.csv``, and with which settings: ``patches.json``.

    An image is noted after all its patches are written, so that a run that was stopped goes on
    with the image it was at.

    Args:
        folder: Of the patches.
        facts: What makes these patches these; plain JSON values.

    Attributes:
        rows: Of all images that are done, in order of writing.

    Raises:
        ContractError: If the folder holds patches that were cut with other settings.
        UnreadableFileError: If its files are damaged.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._facts, self._table = folder / "patches.json", folder / "patches.csv"
        self.facts = dict(facts)
        self.rows: list[Row] = []
        folder.mkdir(parents=True, exist_ok=True)
        if self._facts.is_file():
            self._compare()
            self.rows = self._whole_images()
        elif any(folder.iterdir()):
            raise ContractError(
                f"{folder} is not empty and was not begun by histoseg patches: choose another "
                "output="
            )
        write_json(self._facts, {**self.facts, "complete": False})
        self._rewrite()

    @property
    def done(self) -> dict[int, str]:
        """Number and name of each image that is done."""
        return {row.item: row.image for row in self.rows}

    def add(self, rows: list[Row]) -> None:
        """Note an image of which every patch is written."""
        with self._table.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        self.rows += rows

    def finish(self) -> None:
        """Note that all images are done."""
        write_json(self._facts, {**self.facts, "complete": True})

    def _compare(self) -> None:
        try:
            before = json.loads(self._facts.read_text(encoding="utf-8"))
            before.pop("complete")
        except (ValueError, KeyError, AttributeError) as error:
            raise UnreadableFileError(
                f"{self._facts} is damaged ({error!r}): delete its folder and cut anew"
            ) from error
        now = json.loads(json.dumps(self.facts))
        keys = sorted(key for key in before | now if before.get(key) != now.get(key))
        if keys:
            changes = "; ".join(f"{k} was {before.get(k)} and is {now.get(k)}" for k in keys)
            raise ContractError(
                f"{self._facts.parent} holds patches of other settings: {changes}. Choose another "
                "output=, or delete that folder"
            )

    def _whole_images(self) -> list[Row]:
        """What was noted, but for the image at which a run was killed."""
        if not self._table.is_file():
            return []
        text, _, _ = self._table.read_text(encoding="utf-8").rpartition("\n")  # no half line
        try:
            lines = list(csv.DictReader(text.split("\n"), strict=True))
            rows = [
                Row(line["patch"], int(line["item"]), line["image"], *(int(line[k]) for k in _OF))
                for line in lines
            ]
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise UnreadableFileError(
                f"{self._table} is damaged ({error!r}): delete its folder and cut anew"
            ) from error
        counts = Counter(row.item for row in rows)
        return [row for row in rows if counts[row.item] == row.of]

    def _rewrite(self) -> None:
        part = self._table.with_suffix(".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(Row._fields)
            writer.writerows(self.rows)
        part.replace(self._table)
