"""The folder of synthetic strips: what is finished, what is left of an earlier call, and tables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from histoseg.contracts import Array
from histoseg.engine.slides.finished import recall, remember
from histoseg.errors import ContractError
from histoseg.writers import write_csv, write_png
from histoseg.writers.files import FORBIDDEN, whole_file

RECORDS = ".sets"
JOURNAL = ".strips.txt"
MADE = re.compile(r".+_n2p\d+", re.DOTALL)
"""Names of strips that we made: none of them is ever a parent."""
Row = dict[str, Any]


class Wish(NamedTuple):
    """A strip that is to be there.

    Attributes:
        split: Of it and of its parent.
        parent: Name of the real strip.
        percentage: Of the negative cells that become positive; None for the real strip itself.
    """

    split: str
    parent: str
    percentage: int | None

    @property
    def name(self) -> str:
        """Of its file, without the suffix."""
        return self.parent if self.percentage is None else f"{self.parent}_n2p{self.percentage}"

    @property
    def file(self) -> str:
        """As seen from the folder of all."""
        return f"{self.split}/{self.name}.png"


class SyntheticFolder:
    """``<split>/<name>.png``, a record of each that is finished, and the tables beside them.

    A journal names strips before they are written, so that a later call with other options finds
    and removes what it would not have written.

    Args:
        root: Folder; made if absent.
        stains: Names of the panels, from left to right.

    Raises:
        ContractError: If the folder holds files that are not of an earlier call.
    """

    def __init__(self, root: Path, stains: Sequence[str]) -> None:
        journal = root / JOURNAL
        there = root.is_dir() and any(p.name[0] != "." for p in root.iterdir())
        if there and not (root / RECORDS).is_dir():
            raise ContractError(
                f"{root} holds files that `histoseg synthesise` did not write; name an empty or "
                "new folder: output=<folder>"
            )
        (root / RECORDS).mkdir(parents=True, exist_ok=True)
        self.root, self.stains = root, tuple(stains)
        text = journal.read_text("utf-8") if journal.exists() else ""
        self._journal = dict.fromkeys(text.splitlines())
        self.rows: dict[str, Row] = {}

    def finished(self, wish: Wish, stamp: str) -> bool:
        """Whether a strip is there as this call would make it; if so it is listed."""
        row = recall(self._record(wish), stamp)
        if row is not None:
            self.rows[wish.file] = row
        return row is not None

    def write(self, wish: Wish, stamp: str, panels: Mapping[str, Array], row: Row) -> None:
        """Write a strip and remember it.

        Args:
            wish: Which.
            stamp: Of all that decides its pixels.
            panels: (S, S, 3), uint8, by stain.
            row: Of ``provenance.csv``.

        Raises:
            ContractError: If its name cannot name a file.
            OSError: If the disk is full or may not be written.
        """
        if FORBIDDEN & set(wish.name):
            raise ContractError(f"{wish.name!r} cannot name a strip: rename it")
        if wish.file not in self._journal:
            with (self.root / JOURNAL).open("a", encoding="utf-8") as journal:
                journal.write(f"{wish.file}\n")
        self._journal[wish.file] = None
        strip = np.concatenate([panels[stain] for stain in self.stains], axis=1)
        path = write_png(self.root / wish.file, strip)
        remember(self._record(wish), stamp, row, [path])
        self.rows[wish.file] = row

    def remove_others(self) -> int:
        """Remove strips of earlier calls that are not listed; gives their number."""
        others = [name for name in self._journal if name not in self.rows]
        for name in others:
            path = self.root / name
            if path.resolve().is_relative_to(self.root.resolve()):
                path.unlink(missing_ok=True)
                (self.root / RECORDS / _record_name(name)).unlink(missing_ok=True)
        with whole_file(self.root / JOURNAL) as file:
            file.write("".join(f"{name}\n" for name in sorted(self.rows)).encode())
        return len(others)

    def write_tables(self, remarks: Sequence[tuple[str, str]]) -> None:
        """Write ``provenance.csv``, a row a strip, and ``report.csv``, what was left out."""
        rows = [self.rows[name] for name in sorted(self.rows)]
        head = list(dict.fromkeys(key for row in rows for key in row))
        write_csv(self.root / "provenance.csv", head, [[r.get(k, "") for k in head] for r in rows])
        write_csv(self.root / "report.csv", ["strip", "why"], remarks)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file beside or below the strips."""
        with whole_file(self.root / name) as file:
            file.write((json.dumps(content, indent=2) + "\n").encode())

    def _record(self, wish: Wish) -> Path:
        return self.root / RECORDS / _record_name(wish.file)


def _record_name(file: str) -> str:
    return f"{file.removesuffix('.png').replace('/', '__')}.json"
