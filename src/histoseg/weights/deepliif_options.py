"""DeepLIIF's ``train_opt.txt``: read as data and never as code, written as DeepLIIF writes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from histoseg.errors import UnreadableFileError

_DEFAULT = re.compile(r"\s*\[default: .*\]\s*$")
_NUMPY = re.compile(r"\b(?:np|numpy)\.[a-z]+\d*\((-?[\d.eE+-]+|True|False)\)")
_CODE = (ast.Call, ast.Lambda, ast.NamedExpr, ast.Await, ast.Yield, ast.comprehension)
_HEADER = "----------------- Options ---------------"
_FOOTER = "----------------- End -------------------"


def read_options(path: Path) -> dict[str, Any]:
    """Read the options that a DeepLIIF model was trained with.

    Args:
        path: The file: a line ``key: value`` for each option. Numbers as numpy 2 prints them
            (``np.uint8(201)``) are understood, notes of defaults are dropped.

    Returns:
        Options by name: numbers, truth values, None, tuples, lists and dictionaries of these; all
        else as text.

    Raises:
        FileNotFoundError: If there is no such file.
        UnreadableFileError: If it is no text, or a value is code; the message names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"{path} is not a text file; expected 'key: value' lines") from (
            error
        )
    options = {}
    for number, line in enumerate(lines, start=1):
        key, colon, text = line.partition(":")
        if colon:
            try:
                options[key.strip()] = parsed(text)
            except ValueError as error:
                raise UnreadableFileError(f"{path}, line {number}: {error}") from error
    return options


def parsed(text: str) -> Any:
    """Turn the text of a value into what it says; text that says nothing else stays text.

    Args:
        text: What stands behind the colon.

    Raises:
        ValueError: If it is code.

    >>> parsed(" [(np.uint8(201), 10)]   "), parsed("resnet_9blocks"), parsed("0.5 [default: 1]")
    ([(201, 10)], 'resnet_9blocks', 0.5)
    """
    text = _NUMPY.sub(r"\1", _DEFAULT.sub("", text).strip())
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    if any(isinstance(node, _CODE) for node in ast.walk(tree)):
        raise ValueError(
            f"{text!r} is code, which is not run here; write the value itself or delete the line"
        )
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return text


def write_options(path: Path, options: Mapping[str, Any]) -> None:
    """Write options as DeepLIIF does.

    Args:
        path: The file; one that is there is replaced.
        options: Numbers, truth values, None, text, and tuples and lists of these.

    Raises:
        ValueError: If a value would not be read back as it is.
    """
    lines = []
    for key, value in sorted(options.items()):
        text = str(value)
        if "\n" in text or ":" in key or parsed(text) != value:
            raise ValueError(f"option {key!r} is {value!r}, which {Path(path).name} cannot hold")
        lines.append(f"{key:>25}: {text:<30}\n")
    Path(path).write_text("".join([f"{_HEADER}\n", *lines, f"{_FOOTER}\n"]), encoding="utf-8")
