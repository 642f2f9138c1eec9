"""Arrays inside NumPy's pickles, taken out without running anything that the file says."""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

_KIND = re.compile(r"[uif][1248]")
_TEXT = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_INTS = {"BININT", "BININT1", "BININT2", "LONG1"}
_PUT, _GET = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}


def read_pickled_arrays(path: Path, names: Collection[str]) -> dict[str, Array]:
    """Read two-dimensional arrays of a dictionary that was saved with ``numpy.save``.

    Such files (CellViT's ``{"inst_map": ..., "type_map": ...}``) are pickles, which run code when
    they are loaded. Here the instructions are only listed, and the bytes of the arrays looked up
    among them: an array is a key, its shape, its type, and as many bytes as these ask for.

    Args:
        path: NPY file with one object in it.
        names: Keys of the dictionary that are wanted.

    Returns:
        The arrays by name.

    Raises:
        UnreadableFileError: If the file is damaged, or holds none of such a name in the two forms
            that ``numpy.save`` writes (protocols 3 and 4).
    """
    try:
        content = path.read_bytes()
        with io.BytesIO(content) as file:
            np.lib.format.read_magic(file)
            _, _, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
        found = _Scan(names).run(content[start:]) if dtype.kind == "O" else {}
    except Exception as error:  # headers and opcodes fail in a dozen ways
        raise UnreadableFileError(f"{path} is no NumPy dictionary, or cut: {error}") from error
    missing = set(names) - found.keys()
    if missing:
        raise UnreadableFileError(f"{path} holds no array {', '.join(sorted(missing))}")
    return found


class _Scan:
    """Follows the instructions of a pickle as far as finding arrays needs."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names
        self.name, self.shape, self.kind, self.fortran = "", (0, 0), "", False
        self.types: dict[int, str] = {}  # place in the memo -> kind of number
        self.fresh, self.built, self.memo = "", False, 0
        self.ints: list[int] = []

    def run(self, pickled: bytes) -> dict[str, Array]:
        found = {}
        for code, value, _ in pickletools.genops(pickled):
            data = value if isinstance(value, bytes) and code.name in _BYTES else b""
            if self.name and data and len(data) == self._size():
                found[self.name] = self._array(data)
                self.name = ""
            else:
                self._follow(code.name, value)
        return found

    def _follow(self, code: str, value: object) -> None:
        if code in _TEXT:
            self._text(str(value))
        elif code in _INTS and isinstance(value, int):
            self.ints.append(value)
        elif code == "TUPLE2" and len(self.ints) > 1:
            self.shape = (self.ints[-2], self.ints[-1])
        elif code in ("NEWTRUE", "NEWFALSE"):
            self.fortran = code == "NEWTRUE"
        else:
            self._remember(code, value)

    def _text(self, text: str) -> None:
        if text in self.names:
            self.name, self.shape = text, (0, 0)
        elif _KIND.fullmatch(text):
            self.fresh = self.kind = text
        elif text == ">":
            raise ValueError("its numbers are big-endian")

    def _remember(self, code: str, value: object) -> None:
        """Types of numbers are written once and referred to afterwards."""
        if code == "REDUCE":
            self.built = bool(self.fresh)
        elif code in _PUT or code == "MEMOIZE":
            place = value if isinstance(value, int) else self.memo
            self.memo += 1
            if self.built:
                self.types[place], self.fresh, self.built = self.fresh, "", False
        elif code in _GET and value in self.types:
            self.kind = self.types[value]

    def _size(self) -> int:
        return self.shape[0] * self.shape[1] * int(self.kind[1:] or 0)

    def _array(self, data: bytes) -> Array:
        values = np.frombuffer(data, dtype=np.dtype(f"<{self.kind}"))
        return values.reshape(self.shape, order="F" if self.fortran else "C").copy()
