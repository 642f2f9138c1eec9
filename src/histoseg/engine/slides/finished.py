"""What is remembered of a finished slide, so that the same command does not do it again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from histoseg.engine.slides.stamps import hash_of_file
from histoseg.writers.files import whole_file

Row = dict[str, Any]


def remember(path: Path, stamp: str, row: Row, results: Sequence[Path]) -> None:
    """Write what a slide gave, with hashes of the files.

    Args:
        path: Of the record; files are named as seen from the folder two above it.
        stamp: Of what decided the results.
        row: Of the summary.
        results: Files and folders.
    """
    output = path.parent.parent
    files = {os.path.relpath(result, output): hash_of_file(result) for result in results}
    text = json.dumps({"stamp": stamp, "row": row, "files": files}, indent=2)
    with whole_file(path) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def recall(path: Path, stamp: str) -> Row | None:
    """The row of a slide that was finished; None if it has to be done.

    It has to be done where the record has another stamp, or a result is gone or was changed.
    """
    try:
        record = json.loads(path.read_bytes())
        files: Mapping[str, str] = record["files"]
        fits = record["stamp"] == stamp and all(
            hash_of_file(path.parent.parent / name) == digest for name, digest in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    row: Row = record["row"]
    return row if fits else None


def results_in(folder: Path) -> set[Path]:
    """Files that earlier runs left in an output folder, as their records say.

    Args:
        folder: Of records; files are named as seen from the folder above it.
    """
    found: set[Path] = set()
    for path in folder.glob("*.json"):
        try:
            files = json.loads(path.read_bytes())["files"]
            found |= {(folder.parent / name).resolve() for name in files}
        except (OSError, ValueError, KeyError, TypeError):  # the picture will be done again
            continue
    return found
