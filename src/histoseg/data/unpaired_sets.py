from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from histoseg.contracts import Array, Place
from histoseg.data.counts import Records
from histoseg.data.file_dataset import FileDataset, OnError
from histoseg.data.stain_folder import check_names
from histoseg.data.unpaired import Unpaired
from histoseg.errors import ContractError


class UnpairedSets(Unpaired):
    """Images of data sets of any kind, a set for each stain; their annotations are left behind.

    Which items there are, `Unpaired` says.

    Args:
        sets: Stain -> recipe of a data set whose records have an image.
        on_error: As in `FileDataset`.
        keywords: Stain -> what its recipe is called with: the split.

    Raises:
        ContractError: If stains and keywords are not of the same names, or a set is empty.
    """

    def __init__(
        self,
        sets: Mapping[str, Callable[..., Records]],
        on_error: OnError = "raise",
        **keywords: Mapping[str, Any],
    ) -> None:
        check_names(list(sets), list(keywords))
        opened = {stain: recipe(**keywords.get(stain, {})) for stain, recipe in sets.items()}
        for stain, records in opened.items():
            if not len(records):
                raise ContractError(f"the set of stain {stain!r} has no image in this split")
        domains = {stain: _Images(records) for stain, records in opened.items()}
        super().__init__(domains, "unpaired", on_error)


class _Images:
    """Images of a data set.

    Attributes:
        names: Of its items.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        own: Sequence[str] | None = getattr(records, "ids", None)
        self.names = own or [str(i) for i in range(len(records))]

    def read(self, index: int) -> tuple[Array, Place]:
        """Read an image; one in place of an unreadable one is for `Unpaired` to choose."""
        if isinstance(self.records, FileDataset):
            record = self.records.read(self.records.ids[index])
        else:
            record = self.records[index]
        if "image" not in record:
            raise ContractError(f"records of {type(self.records).__name__} have no image")
        return record["image"], record["place"]
