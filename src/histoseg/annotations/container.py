"""Bytes of a file, unpacked where it is packed, and never more of them than is sane."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from histoseg.errors import UnreadableFileError

MAX_RATIO = 200  # unpacked over packed; outlines as text reach 30, a bomb 1,000
ALWAYS_FINE = 16 << 20  # bytes: a small bomb is no bomb


def read_bytes(path: Path) -> bytes:
    """Read a file; one packed by gzip is unpacked.

    Raises:
        UnreadableFileError: If it is missing, empty, cut short, or unpacks to too much.
    """
    try:
        content = path.read_bytes()
        if content[:2] != b"\x1f\x8b":
            packed = False
        else:
            packed, limit = True, _limit(len(content))
            with gzip.open(path) as file:
                content = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"{path} cannot be read: {error}") from error
    if packed and len(content) > limit:
        raise UnreadableFileError(f"{path} unpacks to more than {limit} bytes, a bomb: refused")
    if not content:
        raise UnreadableFileError(f"{path} is empty (0 bytes): export it again")
    return content


def zip_members(path: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Read the members of a zip that end in one of ``suffixes``; nothing is unpacked to disk.

    Args:
        path: The zip.
        suffixes: Lower case, with the dot. Other members are passed over.

    Yields:
        Name and content of each member, in the order of the zip.

    Raises:
        UnreadableFileError: If it is damaged or encrypted, a name leads out of the folder, or the
            members unpack to too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir()]
            for info in infos:
                _check_name(path, info.filename)
            if infos and not any(i.filename.lower().endswith(suffixes) for i in infos):
                raise UnreadableFileError(
                    f"{path} holds {infos[0].filename}, but no {' or '.join(suffixes)} file"
                )
            left = _limit(path.stat().st_size)
            for info in infos:
                if not info.filename.lower().endswith(suffixes) or _is_note(info.filename):
                    continue
                with archive.open(info) as member:
                    content = member.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise UnreadableFileError(
                        f"{path}, member {info.filename}: unpacks to more than {MAX_RATIO} times"
                        " the size of the zip, a bomb: refused"
                    )
                yield info.filename, content
    except (
        *(OSError, EOFError, zipfile.BadZipFile, zlib.error),
        *(RuntimeError, UnicodeError),  # encrypted or packed otherwise; names that are no text
    ) as error:
        raise UnreadableFileError(f"{path} cannot be read as a zip: {error}") from error


def is_zip_of(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether a zip has a member that ends in one of ``suffixes`` (lower case, with the dot).

    Raises:
        UnreadableFileError: If it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(suffixes) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, UnicodeError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a zip: {error}") from error


def _limit(packed: int) -> int:
    return max(ALWAYS_FINE, MAX_RATIO * packed)


def _check_name(path: Path, name: str) -> None:
    for kind in (PurePosixPath, PureWindowsPath):
        pure = kind(name)
        if pure.is_absolute() or pure.drive or pure.root or ".." in pure.parts:
            raise UnreadableFileError(
                f"{path}, member {name!r}: its name leads out of the folder: refused"
            )


def _is_note(name: str) -> bool:
    """Whether it is what macOS adds: ``__MACOSX/._x.roi``."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith("._")
