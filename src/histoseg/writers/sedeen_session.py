"""What every session file of the Sedeen viewer holds around its graphics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

from histoseg.writers.files import whole_file

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@contextmanager
def sedeen_session(path: Path, image: str, size: tuple[int, int], mpp: float) -> Iterator[BinaryIO]:
    """Write a session of one image; what is written in between are its graphics.

    Args:
        path: The file; Sedeen looks for ``{image}.session.xml`` beside the image.
        image: Its name.
        size: (height, width) at full size.
        mpp: Micrometres per pixel of it.

    Yields:
        The file, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    height, width = size
    with whole_file(path) as file:
        file.write(
            f'<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<session software="PathCore Session Printer" version="0.1.0">\n'
            f"<image identifier={quoted(image)}>\n"
            f"<dimensions>{width},{height}</dimensions>\n"
            f'<pixel-size units="um">{mpp:.6f},{mpp:.6f}</pixel-size>\n'
            f'<transform><translation units="um">0.000000,0.000000</translation>'
            f'<center units="um">{width * mpp / 2:.6f},{height * mpp / 2:.6f}</center>'
            f'<rotation unit="degrees">0.000000</rotation>'
            f"<scale>1.000000,1.000000</scale></transform>\n<overlays>\n".encode()
        )
        yield file
        file.write(b"</overlays>\n</image>\n</session>\n")


def quoted(text: str) -> str:
    """As an attribute, with its quotes; what XML cannot hold becomes a question mark."""
    return quoteattr(NOT_XML.sub("?", text))
