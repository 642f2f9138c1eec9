"""Which processes may work on a slide at the same time. Locks end with the process, however."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from histoseg.engine.slides.parts import Parts
from histoseg.errors import SlideError


@contextmanager
def at_work(folder: Path, ranks: int) -> Iterator[None]:
    """Work on the parts of a slide: alone, or beside others that are told to share it.

    Args:
        folder: Of the parts. It is what is locked; it is made, and goes if it stays empty.
        ranks: How many processes share the slide.

    Raises:
        OSError: If the folder cannot be made.
        SlideError: If another process works there that does not share.
    """
    handle = _locked(folder, fcntl.LOCK_EX if ranks == 1 else fcntl.LOCK_SH)
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()
        os.close(handle)


def _locked(folder: Path, how: int) -> int:
    """The folder, opened and locked; not one that another process has just removed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except BlockingIOError as error:
            os.close(handle)
            raise SlideError(
                f"another process works on {folder.name} for the same output: wait for it, choose"
                " another output=, or let both share the slide by rank= and ranks="
            ) from error
        except FileNotFoundError:
            pass
        except OSError:  # there are no locks here
            return handle
        os.close(handle)


@contextmanager
def only_writer(parts: Parts, ranks: int) -> Iterator[bool]:
    """Whether this rank writes the results of a slide: the first that finds all parts.

    Args:
        parts: Of the slide.
        ranks: How many processes share it.
    """
    if ranks == 1:
        yield True
        return
    try:
        file = (parts.folder / "writer").open("w")
    except FileNotFoundError:  # another one has written already and removed the parts
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield not parts.missing()
