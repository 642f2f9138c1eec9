"""From raw items to the stored layout."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from tqdm import tqdm

from histoseg.errors import UnreadableFileError
from histoseg.prepare.item import Item, RawItem


class Target(Protocol):
    """Where items go: `histoseg.prepare.Store`."""

    def done(self, raw: RawItem) -> bool:
        """Whether the item is there as it would be written now."""

    def keep(self, raw: RawItem) -> None:
        """Take over an item that is there."""

    def write(self, raw: RawItem, item: Item) -> None:
        """Write an item."""

    def fail(self, raw: RawItem, why: str) -> None:
        """Note an item that cannot be read."""


def convert(items: Sequence[RawItem], store: Target) -> None:
    """Write every item that is not stored yet; one that cannot be read does not stop the others.

    Args:
        items: As a source found them.
        store: Where they go. `Store.finish` is for the caller.

    Raises:
        ContractError: If two items have one id, or an id cannot name files.
        OSError: If the disk is full or may not be written.
    """
    for item in tqdm(items, unit="image", disable=not sys.stderr.isatty()):
        try:
            if store.done(item):
                store.keep(item)
            else:
                store.write(item, item.read())
        except UnreadableFileError as error:
            store.fail(item, str(error))


def problems(
    rows: Iterable[Mapping[str, Any]], expected: Mapping[str, int], stated_by: str
) -> list[str]:
    """Compare the items of each part with what a source states.

    Args:
        rows: Of ``items.csv``.
        expected: Published part -> number of its images; "all" -> of the set.
        stated_by: The source.

    Returns:
        One sentence for each difference.
    """
    found = Counter(part for row in rows for part in (row["split"], "all"))
    return [
        f"{found[part]} images of {part}, expected {count} ({stated_by})"
        for part, count in expected.items()
        if found[part] != count
    ]


def twins(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Find pictures that are in the set more than once, in different groups: a leak to come.

    Args:
        rows: Of ``items.csv``.

    Returns:
        One sentence for each.
    """
    seen: dict[str, Mapping[str, Any]] = {}
    found = []
    for row in rows:
        first = seen.setdefault(row["image_sha256"], row)
        if (first["split"], first["group"]) != (row["split"], row["group"]):
            found.append(
                f"{row['id']} ({row['split'] or 'no part'}) is the same picture as {first['id']} "
                f"({first['split'] or 'no part'})"
            )
    return found


def summary(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[str], report: Sequence[Sequence[str]]
) -> str:
    """Write a table for people: images and nuclei of each published part, by class.

    Args:
        rows: Of ``items.csv``.
        classes: Names of classes 1..K.
        report: Rows of ``report.csv``.

    Returns:
        Lines of text.
    """
    columns = ["nuclei", *classes, "no class", "dropped or failed"]
    if not any(_classless(row, classes) for row in rows):
        columns.remove("no class")
    split = {row["id"]: row["split"] for row in rows}
    lost = Counter(split.get(item, "") for item, *_ in report)
    parts = sorted({row["split"] for row in rows} | set(lost))
    table = [["part", "images", *columns]]
    for part in parts:
        chosen = [row for row in rows if row["split"] == part]
        counts = [sum(row[name] for row in chosen) for name in ("nuclei", *classes)]
        if "no class" in columns:
            counts.append(sum(_classless(row, classes) for row in chosen))
        table.append([part or "-", *(str(n) for n in (len(chosen), *counts, lost[part]))])
    if len(parts) > 1:
        sums = [sum(int(line[i]) for line in table[1:]) for i in range(1, len(table[0]))]
        table.append(["all", *map(str, sums)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in table
    )


def _classless(row: Mapping[str, Any], classes: Sequence[str]) -> int:
    """Nuclei of an item that have no class, in a set with classes."""
    return int(row["nuclei"] - sum(row[name] for name in classes)) if classes else 0


def reasons(report: Sequence[Sequence[str]], most: int = 5) -> str:
    """Write the most frequent reasons why something was left out, for people.

    Args:
        report: Rows of ``report.csv``.
        most: How many reasons.

    Returns:
        A line for each, with its count; numbers in it stand as "..", but for those of labels.
    """
    whys = Counter(
        why if why.startswith("unknown class") else re.sub(r"\d[\d.]*", "..", why)
        for *_, where, why in report
        if where
    )
    return "\n".join(f"{count:>8}  {why}" for why, count in whys.most_common(most))
