import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoseg.data.splits import FRACTIONS, load_splits, make_splits, save_splits, split_items
from histoseg.errors import ContractError, UnreadableFileError

ITEMS = {f"slide{k // 5}_tile{k}": f"slide{k // 5}" for k in range(100)}


def test_fractions_of_the_groups() -> None:
    splits = make_splits(ITEMS, FRACTIONS, seed=0)
    assert {split: len(items) for split, items in splits.items()} == {
        "train": 70,
        "val": 10,
        "test": 20,
    }


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(min_size=1, max_size=4), st.sampled_from("abcdefgh"), min_size=8),
    st.integers(0, 99),
)
def test_every_item_once_and_no_group_in_two(groups: dict[str, str], seed: int) -> None:
    fractions = {"train": 0.6, "test": 0.4}
    if len(set(groups.values())) < 2:
        return
    splits = make_splits(groups, fractions, seed)
    assert sorted(item for items in splits.values() for item in items) == sorted(groups)
    homes = [{groups[item] for item in items} for items in splits.values()]
    assert all(homes)
    assert not homes[0] & homes[1]


def test_the_order_of_files_does_not_matter_and_the_seed_does() -> None:
    backwards = dict(reversed(ITEMS.items()))
    assert make_splits(ITEMS, FRACTIONS, 1) == make_splits(backwards, FRACTIONS, 1)
    assert make_splits(ITEMS, FRACTIONS, 1) != make_splits(ITEMS, FRACTIONS, 2)


def test_the_partition_does_not_depend_on_the_machine() -> None:
    groups = {name: name for name in "abcdef"}
    splits = make_splits(groups, {"train": 0.5, "test": 0.5}, 0)
    assert splits == {"train": ["c", "d", "f"], "test": ["a", "b", "e"]}


def test_each_split_gets_one_of_few() -> None:
    splits = make_splits({k: k for k in "abc"}, FRACTIONS, 0)
    assert Counter(len(items) for items in splits.values()) == {1: 3}
    with pytest.raises(ValueError, match="2 groups cannot fill the 3 splits"):
        make_splits({k: k for k in "ab"}, FRACTIONS, 0)


@pytest.mark.parametrize("fractions", [{}, {"train": 0.5}, {"train": 1.5, "test": -0.5}])
def test_fractions_are_checked(fractions: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        make_splits(ITEMS, fractions, 0)


def test_a_split_file_is_written_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "split.json"
    first = split_items(ITEMS, "val", FRACTIONS, 3, path)
    written = path.read_text()
    assert split_items(ITEMS, "val", FRACTIONS, 3, path) == first
    assert path.read_text() == written
    assert json.loads(written)["seed"] == 3
    assert [p.name for p in path.parent.iterdir()] == ["split.json"]
    assert split_items(ITEMS, None, FRACTIONS, 3, None) == sorted(ITEMS)
    with pytest.raises(ContractError, match="no split 'dev'; there are train, val, test"):
        split_items(ITEMS, "dev", FRACTIONS, 3, path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_splits(tmp_path / "split.json", make_splits(ITEMS, FRACTIONS, 0), FRACTIONS, 0)
    return tmp_path / "split.json"


def test_changed_files_are_refused_and_named(path: Path) -> None:
    now = {**ITEMS, "late_arrival": "slide99"}
    del now["slide0_tile0"]
    with pytest.raises(ContractError, match=r"New: late_arrival\. Missing: slide0_tile0\."):
        load_splits(path, now, FRACTIONS, 0)


def test_another_seed_is_refused(path: Path) -> None:
    with pytest.raises(ContractError, match="seed 0 and the configuration says 1"):
        load_splits(path, ITEMS, FRACTIONS, 1)
    with pytest.raises(ContractError, match=r"fractions .*'val': 0\.1.* says {'train': 1}"):
        load_splits(path, ITEMS, {"train": 1}, 0)


def test_leaks_are_refused(path: Path) -> None:
    record = json.loads(path.read_text())
    item = record["splits"]["train"][0]
    record["splits"]["test"].append(item)
    path.write_text(json.dumps(record))
    with pytest.raises(ContractError, match=f"more than once: {item}"):
        load_splits(path, ITEMS, FRACTIONS, 0)
    record["splits"]["train"].remove(item)
    path.write_text(json.dumps(record))
    with pytest.raises(ContractError, match="is in both 'train' and 'test': a leak"):
        load_splits(path, ITEMS, FRACTIONS, 0)


def test_a_file_made_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "hand.json"
    path.write_text(json.dumps({"splits": {"train": ["a"], "unused": ["b"]}}))
    assert split_items({"a": "a", "b": "b"}, "train", FRACTIONS, 5, path) == ["a"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"splits": {"train": "a"}}', '{"splits": []}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(UnreadableFileError, match=r"s\.json is not a split file"):
        load_splits(tmp_path / "s.json", ITEMS, FRACTIONS, 0)
