"""Strips as files: what is written, what of an earlier call is removed, and the tables."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from histoseg.contracts import Array
from histoseg.errors import ContractError
from histoseg.prepare.stain_sets import Remark, StainSet, Strip
from histoseg.writers.files import FORBIDDEN, whole_file
from histoseg.writers.picture import write_png

JOURNAL = ".strips.txt"


class StripFolder:
    """``<split>/<name>.png`` and the tables beside them, written anew by each call.

    A journal names the files before they are written, so that a later call with other options
    leaves no strip of an earlier one in another split.

    Args:
        root: Folder; made if absent.
        stains: Names of the panels, from left to right.

    Raises:
        ContractError: If the folder holds files that are not of an earlier call.
    """

    def __init__(self, root: Path, stains: Sequence[str]) -> None:
        journal = root / JOURNAL
        if not journal.exists() and root.is_dir() and any(p.name[0] != "." for p in root.iterdir()):
            raise ContractError(
                f"{root} holds files that `histoseg prepare` did not write; name an empty or new "
                "folder: output=<folder>"
            )
        for name in journal.read_text("utf-8").splitlines() if journal.exists() else ():
            path = root / name
            if path.resolve().is_relative_to(root.resolve()):
                path.unlink(missing_ok=True)
        root.mkdir(parents=True, exist_ok=True)
        journal.write_bytes(b"")
        self.root, self.stains = root, tuple(stains)
        self.rows: list[dict[str, Any]] = []

    def write(self, strip: Strip, one: StainSet, split: str, hashes: Mapping[str, str]) -> None:
        """Write a strip.

        Raises:
            ContractError: If its name cannot name a file, or another strip has it.
            OSError: If the disk is full or may not be written.
        """
        if FORBIDDEN & set(strip.name) or any(row["strip"] == strip.name for row in self.rows):
            raise ContractError(f"{strip.name!r} cannot name a strip, or names two: rename it")
        path = self._path(f"{split}/{strip.name}.png")
        write_png(path, strip.pixels)
        self.rows.append(
            {
                "strip": strip.name,
                "split": split,
                "group": one.group,
                "x": strip.x,
                "y": strip.y,
                "side": len(strip.pixels),
                "pixels_sha256": hashlib.sha256(strip.pixels.tobytes()).hexdigest(),
                **{f"{stain}_file": str(path) for stain, path in one.files.items()},
                **{f"{stain}_sha256": digest for stain, digest in hashes.items()},
            }
        )

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file beside or below the strips."""
        with whole_file(self._path(name)) as file:
            file.write((json.dumps(content, indent=2) + "\n").encode())

    def write_tables(self, remarks: Iterable[Remark]) -> None:
        """Write ``manifest.csv``, one row a strip, and ``report.csv``, one row a remark."""
        header = list(self.rows[0]) if self.rows else ["strip"]
        self._write_csv("manifest.csv", header, (list(row.values()) for row in self.rows))
        self._write_csv("report.csv", ["item", "file", "why"], (r[:3] for r in remarks))

    def _write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        with whole_file(self._path(name)) as file:
            file.write(text.getvalue().encode())

    def _path(self, name: str) -> Path:
        with (self.root / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(f"{name}\n")
        return self.root / name


def panels_of(strip: Array, stains: Sequence[str]) -> dict[str, Array]:
    """Part a strip (S, n * S, 3) into its n panels by name."""
    side = len(strip)
    return {stain: strip[:, i * side : (i + 1) * side] for i, stain in enumerate(stains)}
