from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from histoseg.errors import DatasetNotFoundError
from histoseg.prepare.item import RawItem, Source


class Either:
    """A set that is published in several forms: the first that is found is read.

    Args:
        forms: Sources of the same set.
    """

    def __init__(self, forms: Sequence[Source]) -> None:
        self.forms = tuple(forms)

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the items: see `histoseg.prepare.Source`."""
        looked = []
        for form in self.forms:
            try:
                yield from list(form.items(raw))
                return
            except DatasetNotFoundError as error:
                looked.append(str(error))
        raise DatasetNotFoundError("; ".join(looked))
