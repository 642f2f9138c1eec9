from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson

from histoseg.annotations.container import read_bytes, zip_members
from histoseg.errors import UnreadableFileError

BOM = b"\xef\xbb\xbf"


def read_json(path: Path) -> Any:
    """Read JSON, plain, packed by gzip, or the one JSON in a zip.

    A byte-order mark is fine, and so is NaN, which QuPath writes for measurements.

    Raises:
        UnreadableFileError: If it is missing, damaged, or not UTF-8; names line and column.
    """
    return parse_json(path, _content(path))


def parse_json(path: Path, content: bytes) -> Any:
    """`read_json` of bytes; ``path`` is for messages."""
    content = content.removeprefix(BOM)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass  # it may be NaN, which orjson refuses and the standard library knows
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"{path}, byte {error.start}: not UTF-8; save it in this encoding"
        ) from error
    except json.JSONDecodeError as error:
        raise UnreadableFileError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON, the file is damaged or "
            f"cut short ({error.msg}): export it again"
        ) from error
    except RecursionError as error:
        raise UnreadableFileError(f"{path} is nested too deeply: no annotation file") from error


def _content(path: Path) -> bytes:
    content = read_bytes(path)
    if not content.startswith(b"PK"):
        return content
    members = list(zip_members(path, (".geojson", ".json")))
    if len(members) != 1:
        raise UnreadableFileError(
            f"{path} holds {len(members)} JSON files, expected one: unpack it"
        )
    return members[0][1]
