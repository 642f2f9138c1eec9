"""The stored layout of an annotated set: one folder, written item by item, resumable."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from histoseg import __version__
from histoseg.errors import ContractError
from histoseg.prepare.check_item import check_item
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.item_files import COLUMNS, item_row, write_files
from histoseg.writers import write_type_info
from histoseg.writers.files import FORBIDDEN, whole_file

FORMAT = 1
MARK, JOURNAL = "dataset.json", ".journal.jsonl"
MOST_CLASSES = 255  # in a class map of uint8


@dataclass(frozen=True)
class Facts:
    """What is true of a whole set.

    Attributes:
        name: Of the set.
        classes: Names of classes 1..K as stored; empty for nuclei without classes.
        colours: K RGB triples 0..255.
        mpp: Micrometres per pixel; None where the source does not say, or images differ.
        licence: As its owners state it.
        source: Where it comes from.
    """

    name: str
    classes: tuple[str, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    mpp: float | None = None
    licence: str = ""
    source: str = ""


class Store:
    """Writes the stored layout; ``dataset.json`` comes last and marks it complete.

    A journal keeps what is done: an item that is written and whose raw files, recipe and version
    of histoseg are as before is skipped, and one that was cut half-way is written again.

    Args:
        root: Folder to write; made if absent.
        facts: Of the set.
        recipe: Everything else that decides what is stored, such as the options of the source.

    Raises:
        ContractError: If the folder holds files that are not of such a set, or classes and
            colours do not fit each other.
    """

    def __init__(self, root: Path, facts: Facts, recipe: Mapping[str, Any] | None = None) -> None:
        if len(facts.colours) != len(facts.classes) or len(set(facts.classes)) < len(facts.classes):
            raise ContractError(
                f"classes {list(facts.classes)} need one colour each, and names of their own; "
                f"there are {len(facts.colours)} colours"
            )
        taken = sorted({*COLUMNS, "items", "image_sha256"} & set(facts.classes))
        if taken or len(facts.classes) > MOST_CLASSES:
            raise ContractError(
                f"{len(facts.classes)} classes, of which {taken or 'none'} are called like a column"
                f" of items.csv; at most {MOST_CLASSES} fit, under other names"
            )
        self.root, self.facts = root, facts
        stored = {"format": FORMAT, "version": __version__, **asdict(facts), "r": recipe or {}}
        self._recipe = json.dumps(stored, sort_keys=True, default=str)
        known = root.is_dir() and ((root / JOURNAL).exists() or (root / MARK).exists())
        if root.is_dir() and not known and any(p.name[0] != "." for p in root.iterdir()):
            raise ContractError(
                f"{root} holds files that `histoseg prepare` did not write; name an empty or new "
                "folder"
            )
        self._journal = _read_journal(root / JOURNAL)
        self._seen: dict[str, dict[str, Any]] = {}
        self._lower: dict[str, str] = {}

    def done(self, raw: RawItem) -> bool:
        """Whether the item is stored as it would be written now."""
        entry = self._journal.get(raw.id)
        if entry is None or entry.get("why") or entry["stamp"] != self._stamp(raw):
            return False
        return all((self.root / name).is_file() for name in entry["files"])

    def keep(self, raw: RawItem) -> None:
        """Take over an item that is `done`."""
        self._check_id(raw.id)
        self._seen[raw.id] = self._journal[raw.id]

    def write(self, raw: RawItem, item: Item) -> None:
        """Write an item's files, then note it in the journal.

        Raises:
            UnreadableFileError: If its arrays do not fit each other or the classes.
            ContractError: If its id cannot name files, or another item has it.
            OSError: If the disk is full or may not be written.
        """
        self._check_id(raw.id)
        check_item(item, raw.id, len(self.facts.classes))
        (self.root / MARK).unlink(missing_ok=True)
        files = self._write_arrays(item)
        entry = {
            "id": item.id,
            "stamp": self._stamp(raw),
            "files": files,
            "row": item_row(item, self.facts.classes),
            "dropped": [[_file(raw), drop.where, drop.why] for drop in item.dropped],
        }
        self._note(entry)

    def fail(self, raw: RawItem, why: str) -> None:
        """Note an item that cannot be read."""
        (self.root / MARK).unlink(missing_ok=True)
        self._note({"id": raw.id, "why": why, "file": _file(raw), "files": []})

    def finish(self, problems: Sequence[str] = ()) -> dict[str, Any]:
        """Write the tables and, last, the mark of completeness.

        Args:
            problems: What is wrong with the set as a whole, such as missing images.

        Returns:
            What ``dataset.json`` says.

        Raises:
            ContractError: If there is no item at all.
        """
        rows = [entry["row"] for entry in self._seen.values() if "row" in entry]
        failed = [entry["id"] for entry in self._seen.values() if "row" not in entry]
        header = ["item", "file", "where", "why"]
        _write_csv(self.root / "report.csv", header, self.report())
        if not rows:
            raise ContractError(
                f"none of {len(failed)} items could be stored, see {self.root / 'report.csv'}: "
                f"{next((line[-1] for line in self.report()), 'the set is empty')}"
            )
        self._remove_stale()
        names = [*COLUMNS, *self.facts.classes, "image_sha256"]
        _write_csv(self.root / "items.csv", names, ([r.get(n, "") for n in names] for r in rows))
        write_type_info(self.root, self.facts.classes, self.facts.colours)
        mark = {
            "format": FORMAT,
            **asdict(self.facts),
            "histoseg": __version__,
            "counts": {
                "items": len(rows),
                **{n: sum(r[n] for r in rows) for n in ("nuclei", *self.facts.classes)},
            },
            "failed": failed,
            "problems": list(problems),
        }
        _write_json(self.root / MARK, mark)
        return mark

    def rows(self) -> list[dict[str, Any]]:
        """The rows of ``items.csv`` so far."""
        return [entry["row"] for entry in self._seen.values() if "row" in entry]

    def report(self) -> list[list[str]]:
        """The rows of ``report.csv`` so far: item, file, where, why."""
        rows = []
        for name, entry in self._seen.items():
            if "row" not in entry:
                rows.append([name, entry["file"], "", entry["why"]])
            rows += [[name, *drop] for drop in entry.get("dropped", [])]
        return rows

    def _write_arrays(self, item: Item) -> list[str]:
        """Write what an item holds, and name the files that are its own."""
        return write_files(self.root, item)

    def _note(self, entry: dict[str, Any]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / JOURNAL).open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(entry))  # a line that was cut ends here
        self._seen[entry["id"]] = entry

    def _remove_stale(self) -> None:
        """Remove files of items that are no longer in the set: only those that we wrote."""
        kept = {name for entry in self._seen.values() for name in entry["files"]}
        for entry in self._journal.values():
            for name in set(entry["files"]) - kept:
                (self.root / name).unlink(missing_ok=True)
        lines = "".join(json.dumps(entry) + "\n" for entry in self._seen.values())
        with whole_file(self.root / JOURNAL) as file:
            file.write(lines.encode())

    def _stamp(self, raw: RawItem) -> str:
        facts = [self._recipe]
        for path in raw.files:
            state = path.stat()
            facts.append(f"{path.name} {state.st_size} {state.st_mtime_ns}")
        return hashlib.sha256("\0".join(facts).encode()).hexdigest()

    def _check_id(self, name: str) -> None:
        if not name or name.startswith(".") or FORBIDDEN & set(name):
            raise ContractError(f"{name!r} cannot name an item: no folder, line break or first dot")
        other = self._lower.setdefault(name.lower(), name)
        if other != name or name in self._seen:
            raise ContractError(f"two items are called {name!r} and {other!r}; rename one")


def _read_journal(path: Path) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    if not path.exists():
        return entries
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # cut while being written: its item is not done
            continue
        entries[entry["id"]] = entry
    return entries


def _file(raw: RawItem) -> str:
    return raw.files[-1].name if raw.files else ""


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with whole_file(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())
