"""What a test draws: whole images, each once, and the ones that cannot be read not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset, default_collate
from typing_extensions import override

from histoseg.contracts import Record, Sample
from histoseg.data.draws import Draw
from histoseg.data.file_dataset import FileDataset, OnError
from histoseg.errors import UnreadableFileError


@dataclass(frozen=True)
class Skipped:
    """An item that was left out of a test, and why."""

    name: str
    why: str


class Exactly:
    """A `FileDataset` that never gives another item in place of the one asked for.

    Args:
        records: The data set.
    """

    def __init__(self, records: FileDataset) -> None:
        self.records = records

    def __len__(self) -> int:
        """Number of items."""
        return len(self.records)

    def __getitem__(self, index: int) -> Record:
        """Read an item; for what it raises see `FileDataset.read`."""
        return self.records.read(self.records.ids[index])


class WholeImages(Dataset[Sample | Skipped]):
    """Samples of a test, in which an item that cannot be read becomes `Skipped`.

    Args:
        samples: The samples.
        names: Of the items.
    """

    def __init__(self, samples: Dataset[Sample], names: Sequence[str]) -> None:
        self.samples, self.names = samples, names

    def __len__(self) -> int:
        """Number of items, also of those that cannot be read."""
        return len(self.names)

    def __getitem__(self, draw: Draw | int) -> Sample | Skipped:
        """Load one item."""
        try:
            return self.samples[draw]
        except UnreadableFileError as error:
            return Skipped(self.names[draw.item if isinstance(draw, Draw) else draw], str(error))


class ReadableImages(DataLoader[Any]):
    """Batches of one image; skipped ones are noted in this process and not handed on.

    Args:
        images: What to load.
        skipped: The list to note them in, emptied when the loader starts.
        on_error: With "raise" the first of them stops it, with the words of its file: an error
            that a worker raises would come with the trace of the worker.
        options: Passed on to ``DataLoader``.
    """

    def __init__(
        self, images: WholeImages, skipped: list[Skipped], on_error: OnError, **options: Any
    ) -> None:
        super().__init__(images, batch_size=1, collate_fn=_collated, **options)
        self.skipped, self.on_error = skipped, on_error

    @override
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.skipped.clear()
        for batch in super().__iter__():
            if isinstance(batch, Skipped):
                if self.on_error == "raise":
                    raise UnreadableFileError(batch.why)
                self.skipped.append(batch)
            else:
                yield batch


def _collated(items: list[Sample | Skipped]) -> Any:
    (item,) = items
    return item if isinstance(item, Skipped) else default_collate(items)
