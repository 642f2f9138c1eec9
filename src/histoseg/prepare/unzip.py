"""Unzipping what came from outside."""

from __future__ import annotations

import shutil
import stat
import sys
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from histoseg.errors import UnreadableFileError
from histoseg.prepare.archive import BLOCK

MAX_RATIO = 200  # unzipped to zipped; label maps reach some 50
SMALL = 2**30  # bytes that any archive may unzip to
LEFT_OUT = ("__MACOSX", ".DS_Store")


def unzip(path: Path, folder: Path) -> None:
    """Unzip an archive into a folder; each file is checked by its own checksum (CRC-32).

    Args:
        path: The archive.
        folder: Where to; made if absent. Files of the same names are replaced.

    Raises:
        UnreadableFileError: If it is damaged or encrypted, holds links or names that lead out of
            the folder, or would unzip to far more than an archive of images does.
        OSError: If the disk is too small.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [e for e in archive.infolist() if not _left_out(e)]
            for entry in entries:
                _check_entry(path, entry)
            _check_size(path, folder, sum(e.file_size for e in entries))
            bar = tqdm(entries, desc=path.stem, unit="file", disable=not sys.stderr.isatty())
            for entry in bar:
                _unzip_one(archive, entry, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise UnreadableFileError(
            f"{path} ({path.stat().st_size} bytes) cannot be unzipped: {error}. Delete it and "
            "fetch it again"
        ) from error


def _left_out(entry: zipfile.ZipInfo) -> bool:
    return entry.is_dir() or any(part in LEFT_OUT for part in PurePosixPath(entry.filename).parts)


def _check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    name = PurePosixPath(entry.filename)
    outside = name.is_absolute() or ".." in name.parts or set("\\:\0") & set(entry.filename)
    if outside or not name.parts:
        raise UnreadableFileError(
            f"{path} holds {entry.filename!r}, which would be written outside its folder; nothing "
            "was unzipped"
        )
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnreadableFileError(f"{path} holds a link, {entry.filename!r}; nothing was unzipped")


def _check_size(path: Path, folder: Path, total: int) -> None:
    if total > max(SMALL, MAX_RATIO * path.stat().st_size):
        raise UnreadableFileError(
            f"{path} ({path.stat().st_size} bytes) would unzip to {total} bytes, more than any "
            "archive of images; nothing was unzipped"
        )
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if total > free:
        raise OSError(
            f"{path.name} unzips to {total / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB free"
        )


def _unzip_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    target = folder.joinpath(*PurePosixPath(entry.filename).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, BLOCK)
