import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes.discs import discs
from histoseg.data import PreparedNuclei, counts
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import Store

from .tiny import FACTS, Tiny, read, write

CLASSES = FACTS.classes


def store(root: Path, raw: Path, stop: int = 99) -> list[str]:
    """Write a set as ``histoseg prepare`` does; gives the ids that were written now."""
    target, written = Store(root, FACTS), []
    for item in list(Tiny().items(raw))[:stop]:
        if target.done(item):
            target.keep(item)
            continue
        target.write(item, item.read())
        written.append(item.id)
    if stop == 99:
        target.finish()
    return written


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store(tmp_path / "tiny", write(tmp_path / "raw"))
    return tmp_path / "tiny"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_set_knows_its_counts_without_reading_its_maps(root: Path) -> None:
    for keywords in (
        {"classes": CLASSES},
        {"classes": ["other", "round"], "class_map": {"round": "round"}},
        {"classes": ["nucleus"], "class_map": dict.fromkeys(CLASSES, "nucleus")},
        {"classes": ["other"], "class_map": {"round": None}, "published": "test"},
    ):
        data = PreparedNuclei(root, **keywords)
        found = counts.count(data, keywords["classes"], None)
        np.testing.assert_array_equal(data.class_counts(), found.nuclei)
        assert data.class_counts().sum() > 0
        assert tuple(data.tissues()) == found.tissues


def test_what_is_written_is_read_again(root: Path) -> None:
    data = PreparedNuclei(root, CLASSES, mpp=0.3)
    assert data.ids == ("i0", "i1", "i2", "i3", "i4")
    for number in (0, 3):
        record = data[number]
        image, instances = discs(number, 72, 80, 6)
        np.testing.assert_array_equal(record["image"], image)
        np.testing.assert_array_equal(record["instances"], instances)
        np.testing.assert_array_equal(
            record["semantic"], np.where(instances > 0, 1 + instances % 2, 0)
        )
        assert record["instances"].dtype == np.int32
        assert record["semantic"].dtype == np.uint8
        assert record["place"] == (f"i{number}", 0, 0, 0.5 if number else 0.3)
        assert set(record) == data.provides | {"ignore"}
        assert not record["ignore"].any()


def test_the_tables_say_what_there_is(root: Path) -> None:
    rows = table(root / "items.csv")
    assert [row["split"] for row in rows] == ["train"] * 4 + ["test"]
    assert rows[1] | {"image_sha256": ""} == {
        **{"id": "i1", "split": "train", "group": "p1", "tissue": "colon", "height": "72"},
        **{"width": "80", "mpp": "0.5", "nuclei": "6", "round": "3", "other": "3"},
        "image_sha256": "",
    }
    assert len({row["image_sha256"] for row in rows}) == 5
    assert table(root / "report.csv") == [
        {"item": "i3", "file": "i3.txt", "where": "graphic 3", "why": "not closed"}
    ]
    assert json.loads((root / "type_info.json").read_text())["2"] == ["other", [0, 0, 255]]
    mark = json.loads((root / "dataset.json").read_text())
    assert mark["counts"] == {"items": 5, "nuclei": 30, "round": 15, "other": 15}
    assert (root / "ignore" / "i1.png").is_file()
    assert (root / "points" / "i2.csv").read_text() == "x,y,class\n1.500,2.000,1\n"


def test_a_second_run_writes_nothing_and_a_changed_item_only_itself(
    root: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    assert store(root, raw) == []
    (raw / "i2.txt").write_text("17")
    (root / "semantic" / "i3.png").unlink()
    assert store(root, raw) == ["i2", "i3"]
    np.testing.assert_array_equal(PreparedNuclei(root)[2]["image"], discs(17, 72, 80, 6)[0])


def test_a_cut_run_is_not_read_and_goes_on_where_it_was(tmp_path: Path) -> None:
    raw, root = write(tmp_path / "raw"), tmp_path / "tiny"
    store(root, raw, stop=3)
    with pytest.raises(DatasetNotFoundError, match="histoseg prepare data=tiny"):
        PreparedNuclei(root)
    journal = root / ".journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])  # the third line, cut by a crash
    assert store(root, raw) == ["i2", "i3", "i4"]
    assert store(root, raw) == []
    assert len(PreparedNuclei(root)) == 5


def test_other_options_of_the_source_write_all_anew(root: Path, tmp_path: Path) -> None:
    item = next(iter(Tiny().items(tmp_path / "raw")))
    assert Store(root, FACTS).done(item)
    assert not Store(root, FACTS, {"overlap": "larger"}).done(item)
    assert not Store(root, replace(FACTS, mpp=1.0)).done(item)


def test_files_of_items_that_are_gone_go_and_other_files_stay(root: Path, tmp_path: Path) -> None:
    (tmp_path / "raw" / "i0.txt").unlink()
    (root / "images" / "mine.png").write_text("of the user")
    store(root, tmp_path / "raw")
    assert PreparedNuclei(root).ids == ("i1", "i2", "i3", "i4")
    assert sorted(p.stem for p in (root / "images").iterdir()) == ["i1", "i2", "i3", "i4", "mine"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_text("of the user")
    with pytest.raises(ContractError, match="did not write"):
        Store(tmp_path, FACTS)


def test_failed_items_are_reported_and_refused_unless_skipped(tmp_path: Path) -> None:
    raw, root = write(tmp_path / "raw"), tmp_path / "tiny"
    target = Store(root, FACTS)
    for item in Tiny().items(raw):
        if item.id == "i1":
            target.fail(item, "i1.txt is cut")
        else:
            target.write(item, item.read())
    assert target.finish()["failed"] == ["i1"]
    assert table(root / "report.csv")[0]["why"] == "i1.txt is cut"
    with pytest.raises(UnreadableFileError, match=r"1 items .* i1"):
        PreparedNuclei(root)
    assert len(PreparedNuclei(root, on_error="skip")) == 4
    assert store(root, raw) == ["i1"], "mended"
    assert len(PreparedNuclei(root)) == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"instances": np.zeros((9, 80), int)}, "instance map 9 x 80"),
        ({"instances": np.full((72, 80), -1)}, "holds -1"),
        ({"instances": np.full((72, 80), 2**31)}, "holds 2147483648"),
        ({"semantic": np.full((72, 80), 3)}, "holds 3, the set names 2"),
        ({"semantic": None}, "no class map"),
        ({"image": np.zeros((72, 80, 4), np.uint8)}, r"expected uint8 \(H, W, 3\)"),
        ({"ignore": np.zeros((72, 80))}, "float64"),
        ({"points": np.zeros((2, 2))}, r"expected \(N, 3\)"),
        ({"id": "other"}, "read as 'other'"),
    ],
)
def test_an_item_must_hold_together(tmp_path: Path, change: dict[str, object], words: str) -> None:
    raw = write(tmp_path / "raw")
    first = next(iter(Tiny().items(raw)))
    with pytest.raises(UnreadableFileError, match=words):
        Store(tmp_path / "tiny", FACTS).write(first, replace(first.read(), **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["nuclei", "items", "id", "image_sha256"])
def test_no_class_is_called_like_a_column(name: str, tmp_path: Path) -> None:
    facts = replace(FACTS, classes=(name,), colours=((1, 2, 3),))
    with pytest.raises(ContractError, match=f"'{name}'"):
        Store(tmp_path / "tiny", facts)


def test_a_class_map_holds_255_classes(tmp_path: Path) -> None:
    names = tuple(f"c{k}" for k in range(256))
    with pytest.raises(ContractError, match="at most 255"):
        Store(tmp_path / "tiny", replace(FACTS, classes=names, colours=((1, 2, 3),) * 256))


def test_ids_name_files_of_their_own(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw")
    first = next(iter(Tiny().items(raw)))
    target = Store(tmp_path / "tiny", FACTS)
    target.write(first, first.read())
    for name in ("i0", "I0", "a/b", "", "..", ".a"):
        again = replace(first, id=name)
        with pytest.raises(ContractError, match=r"rename one|cannot name"):
            target.write(again, replace(read(raw / "i0.txt"), id=name))


def test_published_parts_and_fractions_of_them_by_group(root: Path) -> None:
    assert PreparedNuclei(root, published="test").ids == ("i4",)
    assert len(PreparedNuclei(root, published=["test", "train"])) == 5
    halves = {"train": 0.5, "val": 0.5}
    parts = [PreparedNuclei(root, published="train", split=s, fractions=halves).ids for s in halves]
    assert sorted(parts) == [("i0", "i2"), ("i1", "i3")]
    with pytest.raises(ContractError, match=r"parts \['test', 'train'\].*\['fold1'\]"):
        PreparedNuclei(root, published="fold1")


def test_classes_are_those_stored_or_led_to_by_name(root: Path) -> None:
    assert set(PreparedNuclei(root)[0]) == PreparedNuclei.provides - {"semantic"} | {"ignore"}
    one = PreparedNuclei(root, ["cell"], {"round": "cell", "other": "cell"})
    assert set(np.unique(one[0]["semantic"])) == {0, 1}
    turned = PreparedNuclei(root, ["other", "ball"], {"round": "ball"})
    np.testing.assert_array_equal(
        turned[0]["semantic"], np.array([0, 2, 1])[PreparedNuclei(root, CLASSES)[0]["semantic"]]
    )
    dropped = PreparedNuclei(root, ["round"], {"other": None})
    assert set(np.unique(dropped[0]["semantic"])) == {0, 1}


@pytest.mark.parametrize(
    ("classes", "class_map"),
    [
        (["other", "round"], None),
        (["round"], None),
        (["round", "other", "third"], {"round": "round"}),
        (["round", "other"], {"ruond": "round"}),
    ],
)
def test_other_classes_are_refused(
    root: Path, classes: list[str], class_map: dict[str, str] | None
) -> None:
    with pytest.raises(ContractError, match=r"holds the classes \['round', 'other'\]"):
        PreparedNuclei(root, classes, class_map)


@pytest.mark.parametrize("name", ["dataset.json", "items.csv"])
def test_damaged_tables_are_named(root: Path, name: str) -> None:
    (root / name).write_text('{"format": 1' if name == "dataset.json" else "id,split\ni0,train\n")
    with pytest.raises(UnreadableFileError, match=rf"{name} .*prepare again"):
        PreparedNuclei(root)


def test_a_later_layout_is_refused(root: Path) -> None:
    mark = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps(mark | {"format": 2}))
    with pytest.raises(ContractError, match="has layout 2"):
        PreparedNuclei(root)


def test_an_unreadable_image_is_skipped(root: Path) -> None:
    (root / "images" / "i0.png").write_bytes(b"\x89PNG")
    assert PreparedNuclei(root, on_error="skip")[0]["place"].slide == "i1"
