from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histoseg.errors import UnreadableFileError

MOST = 255
"""Classes that a class map of uint8 can hold."""
_EXPECTED = 'expected {"0": ["nolabe", [0, 0, 0]], "1": ["tumour", [255, 0, 0]], ...}'
Colour = tuple[int, int, int]
_ID = re.compile("0|[1-9][0-9]*")


@dataclass(frozen=True)
class TypeInfo:
    """Names and colours of classes, as the original HoVer-Net keeps them.

    Attributes:
        classes: Names of classes 1..K.
        colours: K RGB triples 0..255.
    """

    classes: tuple[str, ...]
    colours: tuple[Colour, ...]


def read_type_info(path: Path) -> TypeInfo:
    """Read the original's ``type_info.json``.

    Args:
        path: JSON object from ids ``"0"`` (background), ``"1"``, ... without a gap to
            ``[name, [r, g, b]]``; UTF-8, with or without a byte-order mark.

    Returns:
        Names and colours of classes 1..K; those of the background are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        UnreadableFileError: If it is no JSON, an id is missing, twice or none, a name is empty
            or given twice, or a colour is no triple of whole numbers 0..255.

    Source:
        ``type_info.json`` and ``run_infer.py`` of vqdang/hover_net.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(2, f"there is no such file; {_EXPECTED}", str(path))
    content = _parsed(path)
    entries = [_entry(path, key, content[key]) for key in _ids(path, content)]
    names = [name for name, _ in entries[1:]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(f"{path}: several classes are called {twice[0]!r}; rename one")
    return TypeInfo(tuple(names), tuple(colour for _, colour in entries[1:]))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # of the encoding, of JSON, or ours
        raise UnreadableFileError(f"{path} cannot be read as JSON: {error}; {_EXPECTED}") from error
    if not isinstance(content, dict):
        raise UnreadableFileError(f"{path} holds a {type(content).__name__}; {_EXPECTED}")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(k for k in keys if keys.count(k) > 1)!r} stands there twice")
    return content


def _ids(path: Path, content: dict[str, Any]) -> list[str]:
    """The keys "0".."K", in this order."""
    wanted = [str(number) for number in range(len(content))]
    strange = [key for key in content if not _ID.fullmatch(key)]
    if strange:
        raise UnreadableFileError(f"{path}: {strange[0]!r} is no id of a class; {_EXPECTED}")
    missing = [key for key in wanted if key not in content]
    if missing or not wanted:
        raise UnreadableFileError(
            f"{path}: id {', '.join(missing) or '0'} is missing, there are "
            f"{', '.join(content) or 'none'}; ids start with 0, the background, and have no gaps"
        )
    if len(wanted) > MOST + 1:
        raise UnreadableFileError(f"{path} names {len(wanted) - 1} classes; at most {MOST} work")
    return wanted


def _entry(path: Path, key: str, value: Any) -> tuple[str, Colour]:
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)):
        raise UnreadableFileError(
            f'{path}: id {key} is {_short(value)}; expected ["name", [red, green, blue]]'
        )
    name, colour = value
    if not name.strip() or not name.isprintable():
        raise UnreadableFileError(
            f"{path}: id {key} is called {name!r}; expected a name of visible characters"
        )
    if not (isinstance(colour, list) and len(colour) == 3 and all(map(_is_level, colour))):
        raise UnreadableFileError(
            f"{path}: the colour of id {key} is {_short(colour)}; expected [red, green, blue], "
            "whole numbers of 0..255"
        )
    return name.strip(), (colour[0], colour[1], colour[2])


def _is_level(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 255


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
