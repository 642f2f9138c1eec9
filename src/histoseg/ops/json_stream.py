"""JSON files of any size, one member at a time."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import orjson

from histoseg.errors import UnreadableFileError

BLOCK = 1 << 20  # bytes read at a time
LINE = 1 << 14  # bytes in which the end of a line is looked for
LARGEST = 1 << 28  # bytes of one value; no outline needs more
BOM = b"\xef\xbb\xbf"
_TOKENS = {  # strings whole, so that brackets in them do not count; group 1 is their end
    b"{": re.compile(rb'"(?:[^"\\]|\\.)*+("?)|[{}]', re.DOTALL),
    b"[": re.compile(rb'"(?:[^"\\]|\\.)*+("?)|[\[\]]', re.DOTALL),
    b'"': re.compile(rb'"(?:[^"\\]|\\.)*+("?)', re.DOTALL),
}
_SCALAR = re.compile(rb"[^,\]}\s]*")
_SPACE = re.compile(rb"[\s]*")


class Member(NamedTuple):
    """A value of a JSON file.

    Attributes:
        key: Of the outermost object it belongs to; "" where the outermost is a list.
        name: Its number within a list of ``key``, its key within an object; None for all of it.
        text: The value, as the file writes it.
        place: Its first byte, counted in the unpacked file.
    """

    key: str
    name: str | int | None
    text: bytes
    place: int


def stream_json(path: Path, split: frozenset[str]) -> Iterator[Member]:
    """Read the members of the outermost object of a file, or of its outermost list, in order.

    Args:
        path: JSON, plain or packed by gzip. Without NaN or comments within ``split`` it need not
            be valid inside of values: these are left to `parsed`.
        split: Keys whose list or object comes in pieces, one for each of its members.

    Yields:
        The members. An empty list or object of ``split`` is one with the name None.

    Raises:
        UnreadableFileError: If the file cannot be read, is cut short, or is no JSON; says where.
    """
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            file = cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if packed else plain
            yield from _members(_Scanner(path, file), split)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"{path} cannot be read: {error}") from error


def parsed(path: Path, member: Member) -> Any:
    """The value of a member; NaN is fine, which QuPath writes for measurements.

    Raises:
        UnreadableFileError: If it is not JSON; says where.
    """
    try:
        return orjson.loads(member.text)
    except orjson.JSONDecodeError:
        pass  # it may be NaN, which orjson refuses and the standard library knows
    try:
        return json.loads(member.text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(
            f"{path}, byte {member.place} ({member.key} {member.name}): not JSON ({error})"
        ) from error


class _Scanner:
    """A window that moves over a file; ``at`` is the place in it."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.window = file.read(BLOCK).removeprefix(BOM)
        self.at = self.gone = 0

    def peek(self) -> bytes:
        """The next byte that is not blank."""
        while True:
            match = _SPACE.match(self.window, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.window):
                return self.window[self.at : self.at + 1]
            self._more()

    def take(self, expected: bytes) -> bytes:
        """Move over the next byte, which must be one of ``expected``."""
        found = self.peek()
        if found not in [expected[i : i + 1] for i in range(len(expected))]:
            wanted = " or ".join(chr(c) for c in expected)
            raise UnreadableFileError(
                f"{self.path}, byte {self.place}: {found.decode('latin-1')!r} where {wanted} was "
                "expected; not JSON, or damaged: export it again"
            )
        self.at += 1
        return found

    @property
    def place(self) -> int:
        """Bytes before ``at``."""
        return self.gone + self.at

    def value(self) -> bytes:
        """Move over a value and give its text."""
        tokens = _TOKENS.get(self.peek())
        line = self._line()
        if line is not None:
            self.at += len(line)
            return line
        while True:
            end = self._scalar() if tokens is None else self._balanced(tokens)
            if end is not None:
                text = self.window[self.at : end]
                self.at = end
                return text
            self._more()

    def _line(self) -> bytes | None:
        """The rest of the line, where it is one object: quicker than to look for its end."""
        end = self.window.find(b"\n", self.at, self.at + LINE)
        text = self.window[self.at : max(end, 0)].rstrip(b", \r\t")
        if not (text.startswith(b"{") and text.endswith(b"}")):
            return None
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        return text

    def _scalar(self) -> int | None:
        match = _SCALAR.match(self.window, self.at)
        return match.end() if match and match.end() < len(self.window) else None

    def _balanced(self, tokens: re.Pattern[bytes]) -> int | None:
        """Where the object, list or string ends that starts here; None if not in the window."""
        depth = 0
        for match in tokens.finditer(self.window, self.at):
            token = match.group()
            if token[:1] != b'"':
                depth += 1 if token in (b"{", b"[") else -1
            elif not match.group(1):
                return None
            if depth == 0:
                return match.end()
        return None

    def _more(self) -> None:
        kept = self.window[self.at :]
        block = self.file.read(max(BLOCK, len(kept)))  # doubling: each byte is seen a few times
        if not block:
            raise UnreadableFileError(
                f"{self.path} ends after {self.gone + len(self.window)} bytes, within a value: it "
                "is cut short, export it again"
            )
        if len(kept) > LARGEST:
            raise UnreadableFileError(
                f"{self.path}, byte {self.place}: a value of more than {LARGEST} bytes"
            )
        self.gone += self.at
        self.window, self.at = kept + block, 0


def _members(scanner: _Scanner, split: frozenset[str]) -> Iterator[Member]:
    if scanner.peek() == b"[":
        yield from _list(scanner, "")
        return
    scanner.take(b"{")
    while scanner.peek() != b"}":
        key = _key(scanner)
        opening = scanner.peek()
        if key in split and opening == b"[":
            yield from _list(scanner, key)
        elif key in split and opening == b"{":
            yield from _object(scanner, key)
        else:
            yield Member(key, None, scanner.value(), scanner.place)
        if scanner.take(b",}") == b"}":
            return


def _list(scanner: _Scanner, key: str) -> Iterator[Member]:
    scanner.take(b"[")
    if scanner.peek() == b"]":
        scanner.take(b"]")
        yield Member(key, None, b"[]", scanner.place)
        return
    number = 0
    while True:
        scanner.peek()
        place = scanner.place
        yield Member(key, number, scanner.value(), place)
        number += 1
        if scanner.take(b",]") == b"]":
            return


def _object(scanner: _Scanner, key: str) -> Iterator[Member]:
    scanner.take(b"{")
    if scanner.peek() == b"}":
        scanner.take(b"}")
        yield Member(key, None, b"{}", scanner.place)
        return
    while True:
        name = _key(scanner)
        scanner.peek()
        place = scanner.place
        yield Member(key, name, scanner.value(), place)
        if scanner.take(b",}") == b"}":
            return


def _key(scanner: _Scanner) -> str:
    if scanner.peek() != b'"':
        scanner.take(b'"')
    try:
        key = str(orjson.loads(scanner.value()))
    except orjson.JSONDecodeError as error:
        raise UnreadableFileError(f"{scanner.path}, byte {scanner.place}: {error}") from error
    scanner.take(b":")
    return key
