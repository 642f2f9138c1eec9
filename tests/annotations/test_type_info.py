import json
from pathlib import Path

import pytest

from histoseg.annotations import TypeInfo, read_type_info
from histoseg.errors import UnreadableFileError
from histoseg.writers import write_type_info

ORIGINAL = """{
    "0" : ["nolabe", [0  ,   0,   0]],
    "1" : ["neopla", [255,   0,   0]],
    "2" : ["no-neo", [255, 165,   0]]
}"""
KNOWN = TypeInfo(("neopla", "no-neo"), ((255, 0, 0), (255, 165, 0)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_originals_file_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.json").write_text(ORIGINAL, encoding=encoding)
    assert read_type_info(tmp_path / "t.json") == KNOWN


def test_ids_may_stand_in_any_order(tmp_path: Path) -> None:
    entries = json.loads(ORIGINAL)
    (tmp_path / "t.json").write_text(json.dumps({key: entries[key] for key in ("2", "0", "1")}))
    assert read_type_info(tmp_path / "t.json") == KNOWN


def test_there_and_back(tmp_path: Path) -> None:
    known = TypeInfo(("Tumour, große", 'a "b"'), ((0, 1, 255), (9, 9, 9)))
    path = write_type_info(tmp_path / "new", known.classes, known.colours)
    assert path == tmp_path / "new" / "type_info.json"
    assert read_type_info(path) == known
    assert json.loads(path.read_text("utf-8"))["0"] == ["nolabe", [0, 0, 0]]


def test_no_class_at_all_is_there_and_back(tmp_path: Path) -> None:
    assert read_type_info(write_type_info(tmp_path, (), ())) == TypeInfo((), ())


def test_as_many_colours_as_classes_are_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_type_info(tmp_path, ["a", "b"], [[1, 2, 3]])
    assert not list(tmp_path.iterdir())


def entry(**changes: object) -> str:
    whole = {"0": ["nolabe", [0, 0, 0]], "1": ["a", [1, 2, 3]], "2": ["b", [4, 5, 6]]}
    kept = {**whole, **{key.removeprefix("id"): value for key, value in changes.items()}}
    return json.dumps({key: value for key, value in kept.items() if value is not None})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (entry(id0=None), "id 0 is missing, there are 1, 2"),
        (entry(id1=None), "id 1 is missing, there are 0, 2"),
        (entry(id0=None, id1=None), "id 0 is missing, there are 2"),
        ("{}", "id 0 is missing, there are none"),
        ("[]", "holds a list"),
        (ORIGINAL[:40], "cannot be read as JSON"),
        ("<html>", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"0": 1, "0": 2}', "'0' stands there twice"),
        (entry(background=["x", [0, 0, 0]]), "'background' is no id"),
        (entry(id01=["x", [0, 0, 0]]), "'01' is no id"),
        (entry(id1="a"), "id 1 is 'a'; expected"),
        (entry(id1=["a"]), "id 1 is"),
        (entry(id2=[7, [1, 2, 3]]), "id 2 is"),
        (entry(id1=["  ", [1, 2, 3]]), "id 1 is called"),
        (entry(id1=["a\nb", [1, 2, 3]]), "id 1 is called"),
        (entry(id1=["b", [1, 2, 3]]), "several classes are called 'b'"),
        (entry(id1=["a", [1, 2]]), r"colour of id 1 is \[1, 2\]"),
        (entry(id1=["a", [1, 2, 256]]), "colour of id 1"),
        (entry(id1=["a", [1, -2, 25]]), "colour of id 1"),
        (entry(id1=["a", [1.5, 2, 3]]), "colour of id 1"),
        (entry(id1=["a", [True, 2, 3]]), "colour of id 1"),
        (entry(id1=["a", "red"]), "colour of id 1 is 'red'"),
        (entry(**{f"id{n}": [f"c{n}", [0, 0, 0]] for n in range(257)}), "256 classes; at most 255"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(UnreadableFileError, match=words) as error:
        read_type_info(tmp_path / "t.json")
    assert "t.json" in str(error.value)


def test_another_encoding_and_a_lacking_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(ORIGINAL.encode("utf-16"))
    with pytest.raises(UnreadableFileError, match=r"t\.json cannot be read as JSON"):
        read_type_info(tmp_path / "t.json")
    with pytest.raises(FileNotFoundError, match=r"no such file.*nowhere\.json"):
        read_type_info(tmp_path / "nowhere.json")
