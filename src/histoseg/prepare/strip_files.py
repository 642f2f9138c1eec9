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
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.prepare.stain_sets import Remark, StainSet, Strip
from histoseg.slides import read_image
from histoseg.writers.files import FORBIDDEN, whole_file
from histoseg.writers.picture import write_png

JOURNAL, MADE = ".strips.txt", ".fields.jsonl"


class StripFolder:
    """``<split>/<name>.png`` and the tables beside them.

    A journal names the files before they are written, so that a later call with other options
    leaves no strip of an earlier one in another split. A second one says of what each field was
    made: where that and the strips are still the same they are taken as they are, also after a
    call that was cut.

    Args:
        root: Folder; made if absent.
        stains: Names of the panels, from left to right.
        splits: Field -> split.
        settings: All that decides what a field becomes, besides its files.

    Raises:
        ContractError: If the folder holds files that are not of an earlier call.
    """

    def __init__(
        self, root: Path, stains: Sequence[str], splits: Mapping[str, str], settings: Any
    ) -> None:
        journal = root / JOURNAL
        if not journal.exists() and root.is_dir() and any(p.name[0] != "." for p in root.iterdir()):
            raise ContractError(
                f"{root} holds files that `histoseg prepare` did not write; name an empty or new "
                "folder: output=<folder>"
            )
        self.root, self.stains, self.splits = root, tuple(stains), splits
        self._settings = json.dumps(settings, sort_keys=True, default=str)
        self._made = self._read_made()
        names = journal.read_text("utf-8").splitlines() if journal.exists() else []
        kept = [self._name(row) for made in self._made.values() for row in made["rows"]]
        for name in set(names) - set(kept):
            path = root / name
            if path.resolve().is_relative_to(root.resolve()):
                path.unlink(missing_ok=True)
        root.mkdir(parents=True, exist_ok=True)
        journal.write_text("".join(f"{name}\n" for name in kept), "utf-8")
        with whole_file(root / MADE) as file:  # without what other settings made
            file.write("".join(f"{json.dumps(m)}\n" for m in self._made.values()).encode())
        self.rows: list[dict[str, Any]] = []

    def kept(self, one: StainSet, hashes: Mapping[str, str]) -> tuple[list[Strip], list[Remark]]:
        """Strips of a field that an earlier call made of the same files, and what it said of them.

        Both empty where there are none, or they are damaged.
        """
        made = self._made.get(one.name)
        if made is None or made["hashes"] != dict(hashes):
            return [], []
        strips = []
        for row in made["rows"]:
            try:
                pixels = read_image(self.root / self._name(row))
            except UnreadableFileError:
                return [], []
            if _hash(pixels) != row["pixels_sha256"]:
                return [], []
            strips.append(Strip(row["strip"], row["x"], row["y"], pixels))
        self.rows += made["rows"]
        return strips, [Remark(*remark) for remark in made["remarks"]]

    def write(
        self,
        strips: Sequence[Strip],
        remarks: Sequence[Remark],
        one: StainSet,
        hashes: Mapping[str, str],
    ) -> None:
        """Write the strips of a field.

        Args:
            strips: All of it.
            remarks: What is to be said of it.
            one: The field.
            hashes: SHA-256 of its files.

        Raises:
            ContractError: If a name cannot name a file, or another strip has it.
            OSError: If the disk is full or may not be written.
        """
        first = len(self.rows)
        for strip in strips:
            self._write_one(strip, one, hashes)
        made = {
            "settings": self._settings,
            "name": one.name,
            "hashes": dict(hashes),
            "rows": self.rows[first:],
            "remarks": list(remarks),
        }
        with (self.root / MADE).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(made)}\n")

    def _write_one(self, strip: Strip, one: StainSet, hashes: Mapping[str, str]) -> None:
        split = self.splits[one.name]
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
                "pixels_sha256": _hash(strip.pixels),
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

    def _read_made(self) -> dict[str, Any]:
        """What earlier calls made with these settings, by field; none of another split."""
        path, found = self.root / MADE, dict[str, Any]()
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                made = json.loads(line)
            except ValueError:  # the call was cut here
                continue
            split = self.splits.get(made["name"])
            if made["settings"] == self._settings and made["rows"][0]["split"] == split:
                found[made["name"]] = made
        return found

    @staticmethod
    def _name(row: Mapping[str, Any]) -> str:
        return f"{row['split']}/{row['strip']}.png"

    def _path(self, name: str) -> Path:
        with (self.root / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(f"{name}\n")
        return self.root / name


def _hash(pixels: Array) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def panels_of(strip: Array, stains: Sequence[str]) -> dict[str, Array]:
    """Part a strip (S, n * S, 3) into its n panels by name."""
    side = len(strip)
    return {stain: strip[:, i * side : (i + 1) * side] for i, stain in enumerate(stains)}
