from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, TypeVar

from torch.utils.data import Dataset

from histoseg.contracts import Record
from histoseg.errors import UnreadableFileError

T = TypeVar("T")
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
        start = range(len(self))[index]
        return self.readable(self.ids, lambda i: self.read(self.ids[i]), start)

    def readable(self, names: Sequence[str], read: Callable[[int], T], start: int) -> T:
        """Read one of several, or with "skip" the next one that can be read.

        Args:
            names: What they are called in ``skipped``.
            read: Position to what was read.
            start: Which is asked for, 0..len(names) - 1.

        Raises:
            UnreadableFileError: If it cannot be read, and with "skip" if none can.
        """
        if self.on_error == "raise":
            return read(start)
        for i in (*range(start, len(names)), *range(start)):
            if names[i] in self.skipped:
                continue
            try:
                return read(i)
            except UnreadableFileError as error:
                self.skipped.append(names[i])
                _log.warning("skipped: %s", error)
        raise UnreadableFileError(f"none of the {len(names)} items can be read; see the log")

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
