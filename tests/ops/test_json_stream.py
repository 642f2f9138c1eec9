"""A file read member by member is the file read whole, wherever the blocks end."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from histoseg.errors import UnreadableFileError
from histoseg.ops import json_stream
from histoseg.ops.json_stream import parsed, stream_json

CONTENT: dict[str, Any] = {
    "first": 12,
    "text": 'brackets ] } [ { and \\" quotes " in \\ it',
    "features": [{"a": [[1, 2], [3, "]}"]]}, {}, [], "x\\", 3.5, None, {"deep": {"er": [{}]}}],
    "none": {"features": [1]},
    "nuc": {"1": {"k": "}"}, "ü\n": [1, [2]], "": True},
    "empty": {},
    "last": -1.5e-3,
}
SPLIT = frozenset({"features", "nuc"})


def put_together(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member in stream_json(path, SPLIT):
        value = parsed(path, member)
        if member.name is None:
            found[member.key] = value
        elif isinstance(member.name, int):
            found.setdefault(member.key, []).append(value)
            assert len(found[member.key]) == member.name + 1
        else:
            found.setdefault(member.key, {})[member.name] = value
    return found


@pytest.mark.parametrize("block", [1, 2, 7, 64, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_same_as_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, indent: int | None
) -> None:
    monkeypatch.setattr(json_stream, "BLOCK", block)
    path = tmp_path / "a.json"
    path.write_text("\ufeff" * (indent is None) + json.dumps(CONTENT, indent=indent), "utf-8")
    if block > 2 or indent:  # a byte-order mark comes in one block
        assert put_together(path) == CONTENT
        packed = tmp_path / "a.json.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert put_together(packed) == CONTENT


def test_an_outermost_list_and_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1}, 2]')
    assert [(m.key, m.name, m.text) for m in stream_json(path, SPLIT)] == [
        ("", 0, b'{"a": 1}'),
        ("", 1, b"2"),
    ]
    path.write_text('{"features": [ ], "nuc": {}}')
    assert put_together(path) == {"features": [], "nuc": {}}


def test_a_place_is_where_the_value_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "BLOCK", 5)
    path = tmp_path / "a.json"
    text = json.dumps(CONTENT, indent=1)
    path.write_text(text)
    for member in stream_json(path, SPLIT):
        if member.name is not None:
            assert path.read_bytes()[member.place :].startswith(member.text)


def test_a_file_cut_anywhere_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    text = json.dumps(CONTENT).encode()
    for end in range(len(text)):
        path.write_bytes(text[:end])
        with pytest.raises(UnreadableFileError, match=r"cut short|not JSON"):
            put_together(path)


@pytest.mark.parametrize(
    "text",
    ["{1: 2}", '{"a" 1}', '{"a": 1 "b": 2}', '{"features": [1 2]}', "7", '{"features": [{]}]}'],
)
def test_damage_is_named_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UnreadableFileError, match=r"a.json.*(byte \d+|cut short)"):
        put_together(path)


def test_nan_is_fine_within_a_value(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"features": [{"Area": NaN}]}')
    (value,) = put_together(path)["features"]
    assert value["Area"] != value["Area"]


def test_a_missing_file_and_a_broken_gzip(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        put_together(tmp_path / "no.json")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b'{"a": 1}')[:-9])
    with pytest.raises(UnreadableFileError, match=r"cannot be read|cut short"):
        put_together(tmp_path / "a.gz")


def test_time_grows_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"features": [' + ",".join(['{"a": "' + "x" * 40 + '"}'] * 30_000) + "]}")
    start = time.process_time()
    assert sum(1 for _ in stream_json(path, SPLIT)) == 30_000
    assert time.process_time() - start < 2
    path.write_text('{"features": [{"a": [' + "[1,2]," * 300_000 + "[1,2]]}]}")  # one of 2 MB
    start = time.process_time()
    assert sum(1 for _ in stream_json(path, SPLIT)) == 1
    assert time.process_time() - start < 2
