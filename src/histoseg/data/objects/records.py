from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from histoseg.data.datamodule import Records, TileDataModule
from histoseg.data.file_dataset import FileDataset
from histoseg.data.objects.source import Labelled, ObjectSource
from histoseg.data.whole_images import Exactly
from histoseg.errors import ContractError, UnreadableFileError


class ObjectRecords(ObjectSource):
    """The annotations of a split of a data set, with its images.

    Args:
        data: The data set.
        split: Of it.

    Raises:
        ContractError: If it annotates no instances.
    """

    def __init__(self, data: TileDataModule, split: str) -> None:
        records = data.records(split)
        self.where = f"{split} of {type(records).__name__}"
        provides = getattr(records, "provides", frozenset({"instances"}))
        if "instances" not in provides:
            raise ContractError(
                f"{self.where} gives {', '.join(sorted(provides))}, no instances to score against"
            )
        self._rows = getattr(records, "rows", {})
        self._records: Records = records
        self.names = None
        if isinstance(records, FileDataset):  # others do not know a name before they have read
            self._records, self.names = Exactly(records), records.ids
        self.classes = tuple(data.classes)

    @override
    def __len__(self) -> int:
        return len(self._records)

    @override
    def read(
        self, index: int, size: tuple[int, int] | None, classes: Sequence[str] | None
    ) -> Labelled:
        record = self._records[index]
        place = record.get("place")
        shape = record["instances"].shape
        if size is not None and shape != size:
            raise UnreadableFileError(f"item {index} of {self.where} is {shape}; expected {size}")
        return Labelled(
            instances=record["instances"],
            semantic=record.get("semantic"),
            ignore=record.get("ignore"),
            image=record.get("image"),
            tissue=record.get("tissue", ""),
            group=self._rows.get(place.slide, {}).get("group", "") if place else "",
            mpp=place.mpp if place else float("nan"),
        )
