"""Getting a public set into its raw folder: downloaded, or put there by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from histoseg.errors import DatasetNotFoundError
from histoseg.prepare.archive import Archive
from histoseg.prepare.download import fetch
from histoseg.prepare.item import RawItem, Source
from histoseg.prepare.unzip import unzip


def obtain(
    source: Source, archives: Sequence[Archive], raw: Path, *, download: bool, by_hand: str
) -> list[RawItem]:
    """Find the items of a set, after fetching and unzipping what is not there yet.

    A set that was unzipped by hand is taken as it is, and so is an archive that was put into the
    raw folder by hand. What was unzipped once is unzipped again only if it is gone, or if that
    was cut half-way.

    Args:
        source: Of the set.
        archives: Its files; a name may be a pattern, such as ``*.zip``, of what comes by hand.
        raw: Its raw folder.
        download: Whether files may be fetched.
        by_hand: How to get the set without this command.

    Returns:
        The items.

    Raises:
        DatasetNotFoundError: If the set is not there and cannot be had; says how to get it.
        UnreadableFileError: If an archive is not what its source states, or damaged.
        OSError: If the disk is too small.
    """
    found, settled = _found(source, raw), False
    try:
        for archive in archives if not found and download else ():
            if archive.url is not None:
                fetch(archive, raw)
        for path, archive in _files(archives, raw).items():
            if not found or _waits(path, archive):
                _settle(path, archive, raw)
                settled = True
        return list(source.items(raw)) if settled or not found else found
    except DatasetNotFoundError as error:
        raise DatasetNotFoundError(f"{error}. {by_hand}".rstrip(" .")) from error


def _found(source: Source, raw: Path) -> list[RawItem]:
    try:
        return list(source.items(raw))
    except DatasetNotFoundError:
        return []


def _files(archives: Sequence[Archive], raw: Path) -> dict[Path, Archive]:
    """The archives that are there; of two entries that fit one file, the first counts."""
    found: dict[Path, Archive] = {}
    for archive in archives:
        for path in sorted(raw.glob(archive.name)) if raw.is_dir() else ():
            found.setdefault(path, archive)
    return found


def _waits(path: Path, archive: Archive) -> bool:
    """Whether an archive of a set that is there still needs work."""
    if archive.into is None:
        return not _mark(path, "checked").exists()
    return _mark(path, "unzipping").exists()


def _settle(path: Path, archive: Archive, raw: Path) -> None:
    """Check an archive and unzip it."""
    archive.check(path)
    if archive.into is None:
        _mark(path, "checked").touch()
        return
    begun = _mark(path, "unzipping")
    begun.touch()
    unzip(path, raw / archive.into)
    begun.unlink()


def _mark(path: Path, state: str) -> Path:
    return path.with_name(f".{path.name}.{state}")
