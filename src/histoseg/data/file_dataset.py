from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from torch.utils.data import Dataset

from histoseg.contracts import Record
from histoseg.errors import UnreadableFileError

OnError = Literal["raise", "skip"]
_log = logging.getLogger(__name__)


class FileDataset(Dataset[Record], ABC):
    """A data set of one image per item, each read from its own files.

    Args:
        ids: Names of the items, in order.
        on_error: What an unreadable item does. "raise" stops; "skip" logs it, notes it in
            ``skipped`` and gives the next readable item instead, always the same one. That is
            for training: a test leaves the item out (`WholeImages`).

    Attributes:
        ids: Names of the items.
        skipped: Names of items found unreadable so far, in this process.
    """

    provides: ClassVar[frozenset[str]]

    def __init__(self, ids: Sequence[str], on_error: OnError) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error is {on_error!r}; expected 'raise' or 'skip'")
        self.ids = tuple(ids)
        self.on_error = on_error
        self.skipped: list[str] = []

    def __len__(self) -> int:
        """Number of items."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Record:
        """Read an item.

        Args:
            index: 0..len - 1, or from the end when negative.

        Returns:
            The record, with the keys in ``provides``.

        Raises:
            UnreadableFileError: If it cannot be read, and with "skip" if no item can.
        """
        return self.readable(index, self.read)

    def readable(self, index: int, read: Callable[[str], Record]) -> Record:
        """Read an item by a function, or the next that can be read: see `__getitem__`."""
        start = range(len(self))[index]
        if self.on_error == "raise":
            return read(self.ids[start])
        for name in self.ids[start:] + self.ids[:start]:
            if name in self.skipped:
                continue
            try:
                return read(name)
            except UnreadableFileError as error:
                self.skipped.append(name)
                _log.warning("skipped: %s", error)
        raise UnreadableFileError(f"none of the {len(self)} items can be read; see the log")

    @abstractmethod
    def read(self, name: str) -> Record:
        """Read the item of this name.

        Args:
            name: One of ``ids``.

        Returns:
            The record.

        Raises:
            UnreadableFileError: If a file of it is missing, damaged or does not fit the others.
        """


def check_same_size(name: str, image: tuple[int, ...], other: tuple[int, ...], what: str) -> None:
    """Refuse an annotation of another size than its image.

    Args:
        name: Item to name in the message.
        image: Shape of the image (H, W, ...).
        other: Shape of the annotation (H, W).
        what: What the annotation is.

    Raises:
        UnreadableFileError: If height or width differ.
    """
    if image[:2] != other[:2]:
        raise UnreadableFileError(
            f"{name}: the image is {image[0]} x {image[1]} pixels and its {what} is "
            f"{other[0]} x {other[1]} (height x width); they must lie on the same pixels"
        )
