"""Sets that are read as they were downloaded: checked by reading every item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from histoseg.errors import ContractError
from histoseg.prepare import Facts, Item, RawItem, check_item, item_row


class InPlace:
    """A source that is a data set class of ``histoseg.data``.

    Args:
        data: The data configuration; its ``dataset`` without a split gives all items.
    """

    def __init__(self, data: DictConfig) -> None:
        self.data = data

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the items: see `histoseg.prepare.Source`."""
        dataset = instantiate(self.data.dataset)()
        for number, name in enumerate(dataset.ids):
            yield RawItem(name, (), partial(_read, dataset, number, name))


class ReadOnly:
    """Takes the part of `histoseg.prepare.Store` and writes nothing.

    Args:
        facts: Of the set.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._rows: list[dict[str, Any]] = []
        self._report: list[list[str]] = []

    def done(self, raw: RawItem) -> bool:
        """Nothing is kept, so nothing is done already."""
        return False

    def keep(self, raw: RawItem) -> None:
        """Never called, since nothing is `done`."""
        raise NotImplementedError

    def write(self, raw: RawItem, item: Item) -> None:
        """Check an item and note its row."""
        check_item(item, raw.id, len(self.facts.classes))
        self._rows.append(item_row(item, self.facts.classes))

    def fail(self, raw: RawItem, why: str) -> None:
        """Note an item that cannot be read."""
        self._report.append([raw.id, "", "", why])

    def finish(self, problems: Sequence[str] = ()) -> dict[str, Any]:
        """Say what was found."""
        if not self._rows:
            raise ContractError(f"no item can be read: {self._report[0][-1]}")
        failed = [row[0] for row in self._report]
        return {"name": self.facts.name, "failed": failed, "problems": list(problems)}

    def rows(self) -> list[dict[str, Any]]:
        """One row an item, as `histoseg.prepare.item_row` gives it."""
        return self._rows

    def report(self) -> list[list[str]]:
        """What failed: item, file, where, why."""
        return self._report


def _read(dataset: Any, number: int, name: str) -> Item:
    record = dataset[number]
    return Item(
        id=name,
        image=record["image"],
        instances=record["instances"],
        semantic=record.get("semantic"),
        tissue=record.get("tissue", ""),
    )
