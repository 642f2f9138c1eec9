from __future__ import annotations

import struct
import zlib
from pathlib import Path

from histoseg.errors import UnreadableFileError

HEADER, LOOKED_AT = 128, 4096  # bytes of a file, and of each variable
COMPRESSED = 15
KINDS = frozenset({*range(1, 8), 9, *range(12, 19)})  # of data, in MAT version 5


def check_tags(path: Path) -> None:
    """Refuse a MAT file of version 5 with an unknown kind of data.

    On such a file, damaged by a single byte, scipy's reader ends the whole process.

    Args:
        path: The file; one of another version passes.

    Raises:
        UnreadableFileError: If a kind is unknown.
        zlib.error: If a packed variable is damaged.

    Source:
        MAT-File Format, MathWorks; table 1-1.
    """
    with path.open("rb") as file:
        header = file.read(HEADER)
        order = {b"\0\1IM": "<", b"\1\0MI": ">"}.get(header[124:])
        while order and len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            after = file.tell() + size
            start = file.read(min(size, LOOKED_AT))
            if kind == COMPRESSED:
                start = zlib.decompressobj().decompress(start, LOOKED_AT)[8:]
            _check_parts(start, order, path)
            file.seek(after)


def _check_parts(start: bytes, order: str, path: Path) -> None:
    place = 0
    while place + 8 <= len(start):
        word, size = struct.unpack_from(f"{order}II", start, place)
        kind = word & 0xFFFF if word >> 16 else word  # four bytes at most follow their own size
        if kind not in KINDS:
            raise UnreadableFileError(f"{path} is damaged: it holds data of kind {kind}")
        place += 8 if word >> 16 else 8 + -(-size // 8) * 8
