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

    A zip file in the raw folder is unzipped once, also one that was put there by hand. A set
    that was unzipped by hand is taken as it is.

    Args:
        source: Of the set.
        archives: Its files.
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
    there = any(_mark(raw / a.name).exists() or (raw / a.name).is_file() for a in archives)
    found = None if there else _items(source, raw)
    if found is None:
        _fetch_missing(archives, raw, download)
        _unzip_new(archives, raw)
        found = _items(source, raw)
    if found is None:
        try:
            return list(source.items(raw))
        except DatasetNotFoundError as error:
            raise DatasetNotFoundError(f"{error}. {by_hand}") from error
    return found


def _items(source: Source, raw: Path) -> list[RawItem] | None:
    try:
        return list(source.items(raw))
    except DatasetNotFoundError:
        return None


def _fetch_missing(archives: Sequence[Archive], raw: Path, download: bool) -> None:
    for archive in archives:
        path = raw / archive.name
        if _mark(path).exists():
            continue
        if path.is_file():
            archive.check(path)
        elif download and archive.url is not None:
            fetch(archive, raw)


def _unzip_new(archives: Sequence[Archive], raw: Path) -> None:
    into = {archive.name: archive.into for archive in archives}
    for path in sorted(raw.glob("*.zip")) if raw.is_dir() else ():
        folder = into.get(path.name, ".")
        if folder is not None and not _mark(path).exists():
            unzip(path, raw / folder)
            _mark(path).touch()


def _mark(path: Path) -> Path:
    """What says that an archive was unzipped to the end; the archive itself may then go."""
    return path.with_name(f".{path.name}.unzipped")
