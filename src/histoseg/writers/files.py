"""Names of result files, and writing them whole or not at all."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

FORBIDDEN = frozenset("/\\\0\n\r")


def result_path(folder: Path, name: str, kind: str, suffix: str) -> Path:
    """Say where a result goes: ``folder/kind/name.suffix``.

    Args:
        folder: Of all results.
        name: Of the image; dots and blanks stay as they are.
        kind: Subfolder.
        suffix: With its dot.

    Raises:
        ValueError: If the name is empty, or would lead out of the folder.

    Example:
        >>> result_path(Path("out"), "A.1 b", "json", ".json").as_posix()
        'out/json/A.1 b.json'
    """
    if not name or name in {".", ".."} or FORBIDDEN & set(name):
        raise ValueError(
            f"{name!r} cannot name a result file: give a stem without folder, line break or NUL"
        )
    return folder / kind / f"{name}{suffix}"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when it is complete.

    Folders are made. If anything fails, what was there before stays as it was. What a process that
    was killed left beside it is written over.

    Args:
        path: The file.

    Yields:
        A binary file beside it, moved to ``path`` at the end.

    Raises:
        OSError: If it cannot be written (disk full, no permission, no folder); says what to do.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part, file = _beside(path)
        with file:
            try:
                yield file
                file.flush()
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write it ({error.strerror or error}); nothing was changed. Free disk space or"
            " choose a folder that you may write to",
            str(path),
        ) from error


def _beside(path: Path) -> tuple[Path, BinaryIO]:
    """An empty hidden file that no other process writes; of one name always, where that is free."""
    usual = path.parent / f".{path.name}.new"
    file = None
    try:
        usual.touch()
        file = usual.open("r+b")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), usual.stat()):
            file.truncate()
            return usual, file
    except BlockingIOError:  # another process writes it
        pass
    except OSError:  # there are no locks, or it cannot be written, which the last line says
        usual.unlink(missing_ok=True)
    if file is not None:
        file.close()
    other = path.parent / f".{uuid.uuid4().hex}.new"
    return other, other.open("xb")
