from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from histoseg.writers.files import whole_file

NAME = "type_info.json"
BACKGROUND = ["nolabe", [0, 0, 0]]
"""What the original calls class 0, and its colour."""


def write_type_info(folder: Path, classes: Sequence[str], colours: Sequence[Sequence[int]]) -> Path:
    """Write names and colours of classes as the original HoVer-Net's ``type_info.json``.

    Args:
        folder: Where the file goes.
        classes: Names of classes 1..K.
        colours: K RGB triples 0..255.

    Returns:
        The file, ``{"0": ["nolabe", [0, 0, 0]], "1": [name, [r, g, b]], ...}``.

    Raises:
        OSError: If it cannot be written.
        ValueError: If the colours are not as many as the classes.
    """
    rows = [[name, list(map(int, rgb))] for name, rgb in zip(classes, colours, strict=True)]
    lines = [
        b'"%d": %s' % (number, orjson.dumps(row)) for number, row in enumerate([BACKGROUND, *rows])
    ]
    path = folder / NAME
    with whole_file(path) as file:
        file.write(b"{\n  " + b",\n  ".join(lines) + b"\n}\n")
    return path
