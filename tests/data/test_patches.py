import json
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from fakes import patches as fake
from histoseg.contracts import Record
from histoseg.data import Patches
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.writers import Patch, ZarrPatches

CLASSES = ("a", "b")
FOLDER = "train/540x540_164x164"


def as_zarr(root: Path) -> Path:
    """The patches of the fake in the compact store, beside them."""
    source = Patches(root, FOLDER, CLASSES)
    folder = root / "zarr"
    writer = ZarrPatches(folder, 64, typed=True)
    records = [source[i] for i in range(len(source))]
    made = [Patch(r["image"], r["instances"], r["semantic"]) for r in records]
    writer.write(source.ids, made, 0)
    (folder / "patches.csv").write_text("\n".join(["patch,item", *(f"{n},0" for n in source.ids)]))
    return folder


def same(one: Record, other: Record) -> bool:
    assert set(one) == set(other)
    arrays = [key for key in one if key != "place"]
    kinds = [one[key].dtype == other[key].dtype for key in arrays]  # type: ignore[literal-required]
    equal = [np.array_equal(one[key], other[key]) for key in arrays]  # type: ignore[literal-required]
    return all(kinds + equal) and one["place"].slide == other["place"].slide


def test_the_originals_files_are_read(tmp_path: Path) -> None:
    data = Patches(fake.write(tmp_path), FOLDER, CLASSES, mpp=0.25)
    assert data.ids == ("train_1_000", "train_1_001", "train_1_002")
    record = data[1]
    stored = np.load(tmp_path / FOLDER / "train_1_001.npy")
    assert record["image"].dtype == np.uint8
    assert record["instances"].dtype == np.int32
    assert record["semantic"].dtype == np.uint8
    whole = [*np.moveaxis(record["image"], -1, 0), record["instances"], record["semantic"]]
    np.testing.assert_array_equal(np.stack(whole, axis=-1), stored)
    assert record["image"].flags.writeable
    assert record["place"] == ("train_1_001", 0, 0, 0.25)


def test_both_stores_give_the_same_records(tmp_path: Path) -> None:
    files = Patches(fake.write(tmp_path), FOLDER, CLASSES, mpp=1.0)
    store = Patches(as_zarr(tmp_path), classes=CLASSES, mpp=1.0)
    assert files.ids == store.ids
    assert all(same(files[i], store[i]) for i in (2, 0, 1, -1))
    assert store[0]["image"].flags.writeable
    untyped = Patches(tmp_path, FOLDER), Patches(tmp_path / "zarr")
    assert all("semantic" not in data[0] for data in untyped)


def test_a_store_is_read_by_loader_workers(tmp_path: Path) -> None:
    fake.write(tmp_path)
    store = Patches(as_zarr(tmp_path), classes=CLASSES, mpp=1.0)
    loader = DataLoader(store, batch_size=None, num_workers=2, collate_fn=dict)
    assert all(same(store[i], record) for i, record in enumerate(loader))


def test_patches_without_classes_are_refused_where_classes_are_named(tmp_path: Path) -> None:
    data = Patches(fake.write(tmp_path, typed=False), FOLDER, CLASSES)
    with pytest.raises(ContractError, match=r"has no classes.*data.classes=\[\]"):
        data[0]
    assert "semantic" not in Patches(tmp_path, FOLDER)[0]
    ZarrPatches(tmp_path / "z", 8, typed=False).write(
        ["p"], [Patch(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.int32), None)], 0
    )
    (tmp_path / "z" / "patches.csv").write_text("patch\np\n")
    with pytest.raises(ContractError, match="has no classes"):
        Patches(tmp_path / "z", classes=CLASSES)


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    fake.write(tmp_path)
    for data in (Patches(tmp_path, FOLDER, ["a"]), Patches(as_zarr(tmp_path), classes=["a"])):
        with pytest.raises(ContractError, match="holds class 2, but classes names only 1"):
            data[0]


def test_lacking_patches_say_how_to_make_them(tmp_path: Path) -> None:
    for folder in ("", "nowhere"):
        with pytest.raises(DatasetNotFoundError, match="Cut them with histoseg patches"):
            Patches(tmp_path, folder)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (np.zeros((8, 8), np.int32), r"int32 \(8, 8\); expected whole numbers"),
        (np.zeros((8, 8, 3), np.int32), r"\(8, 8, 3\); expected"),
        (np.zeros((8, 8, 6), np.int32), r"\(8, 8, 6\); expected"),
        (np.full((8, 8, 5), 256, np.int32), "image holds 256..256"),
        (np.full((8, 8, 5), -1, np.int32), "image holds -1..-1"),
        (np.full((8, 8, 5), 0.5), "image holds 0.5"),
        (np.full((8, 8, 5), np.nan), "image holds nan"),
        (np.full((8, 8, 4), [0, 0, 0, -3], np.int32), "instances holds -3..-3"),
        (np.full((8, 8, 4), [0, 0, 0, 2.0**40]), "instances holds"),
        (np.full((8, 8, 5), [0, 0, 0, 1, 300]), "semantic holds 300..300"),
        (np.array([{}]), "cannot be read as a patch"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_a_strange_file_is_named(tmp_path: Path, stored: np.ndarray, words: str) -> None:
    np.save(tmp_path / "a.npy", stored, allow_pickle=stored.dtype == object)
    with pytest.raises(UnreadableFileError, match=words) as error:
        Patches(tmp_path, classes=CLASSES)[0]
    assert "a.npy" in str(error.value)


def test_floats_that_are_whole_numbers_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((8, 8, 4), 7.0))
    record = Patches(tmp_path)[0]
    assert record["image"].max() == 7
    assert record["instances"].dtype == np.int32


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_cut_file_is_named_and_may_be_skipped(tmp_path: Path) -> None:
    fake.write(tmp_path)
    store = as_zarr(tmp_path)
    cut(tmp_path / FOLDER / "train_1_001.npy")
    cut(store / "patches.zarr" / "image" / "c" / "1" / "0" / "0" / "0")
    for data in (Patches(tmp_path, FOLDER), Patches(store)):
        with pytest.raises(UnreadableFileError, match="train_1_001"):
            data[1]
    skipping = Patches(store, on_error="skip")
    assert skipping[1]["place"].slide == "train_1_002"
    assert skipping.skipped == ["train_1_001"]


def test_a_lost_or_changed_chunk_is_not_background(tmp_path: Path) -> None:
    fake.write(tmp_path)
    chunks = as_zarr(tmp_path) / "patches.zarr" / "instances" / "c"
    (chunks / "0" / "0" / "0").unlink()
    other = bytearray((chunks / "1" / "0" / "0").read_bytes())
    other[-6] ^= 1
    (chunks / "1" / "0" / "0").write_bytes(other)
    data = Patches(tmp_path / "zarr")
    for index in (0, 1):
        with pytest.raises(UnreadableFileError, match=f"patch train_1_00{index} cannot be read"):
            data[index]
    assert data[2]["instances"].max() > 0


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    fake.write(tmp_path)
    store = as_zarr(tmp_path)
    table = (store / "patches.csv").read_text()
    (store / "patches.csv").write_text(table + "\none,0\nmore,0")
    with pytest.raises(UnreadableFileError, match=r"\[3\] patches, and patches.csv names 5"):
        Patches(store)
    (store / "patches.csv").unlink()
    with pytest.raises(UnreadableFileError, match="cannot be read as patches"):
        Patches(store)
    (store / "patches.csv").write_text(table)
    meta = store / "patches.zarr" / "image" / "zarr.json"
    meta.write_text(meta.read_text().replace('"chunk_shape": [\n        1', '"chunk_shape": [\n 2'))
    with pytest.raises(UnreadableFileError, match="image is uint8 in chunks"):
        Patches(store)
    meta.write_text("{")
    with pytest.raises(UnreadableFileError, match="Write it anew"):
        Patches(store)


def test_an_extraction_that_was_stopped_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.write(tmp_path)
    for complete in (True, False):
        (tmp_path / FOLDER / "patches.json").write_text(json.dumps({"complete": complete}))
        Patches(tmp_path, FOLDER)
        assert ("not all images were cut (3 patches)" in caplog.text) is not complete
