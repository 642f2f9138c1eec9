from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from histoseg.engine.slides.parts import Parts


@contextmanager
def only_writer(parts: Parts, ranks: int) -> Iterator[bool]:
    """Whether this rank writes the results of a slide: the first that finds all parts.

    The lock ends with the process, however that ends.

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
