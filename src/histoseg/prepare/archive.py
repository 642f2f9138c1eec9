from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from histoseg.errors import UnreadableFileError

BLOCK = 2**20  # bytes read at once


@dataclass(frozen=True)
class Archive:
    """A file of a public set, as its source states it.

    Attributes:
        name: What it is called on the disk; without an address it may be a pattern (``*.zip``).
        url: Where it is; None where it can only be had by hand.
        into: Folder below the raw one in which to unzip it; None: it is read as it is.
        sha256: As stated; None where no source states it.
        md5: As stated.
        bytes: Its size, as stated.
    """

    name: str
    url: str | None = None
    into: str | None = "."
    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None

    def check(self, path: Path) -> None:
        """Compare a file with what is stated; nothing stated, nothing compared.

        Raises:
            UnreadableFileError: If it is another file, or was cut.
        """
        size = path.stat().st_size
        if self.bytes is not None and size != self.bytes:
            raise UnreadableFileError(f"{path} has {size} bytes; expected {self.bytes}")
        for name, stated in (("sha256", self.sha256), ("md5", self.md5)):
            found = _digest(path, name) if stated else None
            if found != stated:
                raise UnreadableFileError(
                    f"{path}: its {name} is {found}; expected {stated}. It is damaged, or its "
                    "owners changed it: delete it and fetch it again"
                )


def _digest(path: Path, name: str) -> str:
    # md5 finds accidents only, which is all it is used for
    digest = hashlib.new(name, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
