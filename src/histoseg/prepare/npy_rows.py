from __future__ import annotations

import weakref
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

_DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)
_ARRAY = "1 or more rows of numbers or text, rows one after the other"


class NpyRows:
    """The rows of an NPY array, read one by one; the array may lie in a ZIP archive.

    Memory is that of one row. In an archive, rows are read quickly in ascending order only.

    Args:
        path: The NPY file, or the archive.
        member: Name of the NPY file in the archive; None for a file that is not in one.

    Attributes:
        shape: Of the array.
        dtype: Of the array.

    Raises:
        UnreadableFileError: If it is no such file, damaged, or would need pickle.
    """

    def __init__(self, path: Path, member: str | None = None) -> None:
        self.path, self._name = path, str(path) if member is None else f"{path}: {member}"
        closing = ExitStack()
        weakref.finalize(self, closing.close)
        try:
            self._file = _opened(path, member, closing)
            self.shape, self.dtype = _header(self._file)
        except (*_DAMAGE, ValueError, KeyError) as error:
            raise UnreadableFileError(
                f"{self._name} ({path.stat().st_size} bytes) cannot be read: {error}; expected an "
                f"NPY file with {_ARRAY}. Fetch it again"
            ) from error
        self._start = self._file.tell()

    def __len__(self) -> int:
        """Number of rows."""
        return self.shape[0]

    def __getitem__(self, row: int) -> Array:
        """Read a row.

        Args:
            row: 0..len - 1.

        Returns:
            Array of ``shape[1:]``, read-only.

        Raises:
            IndexError: If there is no such row.
            UnreadableFileError: If the file ends before its end, or the archive is damaged there.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        size = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        try:
            self._file.seek(self._start + row * size)
            values = self._file.read(size)
        except _DAMAGE as error:
            raise UnreadableFileError(
                f"{self._name}, row {row}: {error}. Fetch it again"
            ) from error
        if len(values) != size:
            raise UnreadableFileError(
                f"{self._name}, row {row}: the file ends within it; expected {len(self)} rows. "
                "Fetch it again"
            )
        return np.frombuffer(values, self.dtype).reshape(self.shape[1:])


def _opened(path: Path, member: str | None, closing: ExitStack) -> BinaryIO:
    if member is None:
        return closing.enter_context(path.open("rb"))
    archive = closing.enter_context(zipfile.ZipFile(path))
    return cast(BinaryIO, closing.enter_context(archive.open(member)))


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"NPY version {version}")
    first = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    if by_columns or not shape or dtype.kind not in "buifSU":
        raise ValueError(f"its header says {dtype} {shape}, by columns: {by_columns}")
    return shape, dtype
