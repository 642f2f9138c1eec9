"""PanNuke's folds, from zip or folder, into arrays that the data set reads as it reads the raw."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from conftest import Compose
from fakes import pannuke as fake
from histoseg import data
from histoseg.engine.prepare import prepare
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import Facts, PanNuke, RawItem, TileArrays
from histoseg.prepare.npy_rows import NpyRows

CLASSES = data.PanNuke.CLASSES
FACTS = Facts("pannuke", CLASSES, ((255, 0, 0),) * 5, 0.25, "CC BY-NC-SA 4.0", "made here")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake.write(tmp_path_factory.mktemp("raw"), folds=(1, 2))


def zipped(raw: Path, folder: Path) -> Path:
    folder.mkdir()
    for fold in (1, 2):
        with zipfile.ZipFile(folder / f"fold_{fold}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((raw / f"Fold {fold}").rglob("*.npy")):
                archive.write(path, path.relative_to(raw).as_posix())
            archive.writestr(f"__MACOSX/Fold {fold}/images/fold{fold}/images.npy", b"")
    return folder


def store(raw: Path, out: Path) -> tuple[dict[str, object], list[str]]:
    """What dataset.json says, and which tiles were read."""
    target = TileArrays(out, FACTS)
    read = []
    for item in PanNuke(folds=(1, 2)).items(raw):
        if target.done(item):
            target.keep(item)
        else:
            read.append(item.id)
            write(target, item)
    return target.finish(), read


def write(target: TileArrays, item: RawItem) -> None:
    try:
        target.write(item, item.read())
    except UnreadableFileError as error:
        target.fail(item, str(error))


def assert_same(one: data.PanNuke, two: data.PanNuke) -> None:
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        assert (a["place"], a["tissue"]) == (b["place"], b["tissue"])
        for key in ("image", "instances", "semantic"):
            assert a[key].dtype == b[key].dtype
            np.testing.assert_array_equal(a[key], b[key])


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_the_arrays_read_as_the_raw_ones(raw: Path, tmp_path: Path, form: str) -> None:
    source = zipped(raw, tmp_path / "zips") if form == "zip" else raw
    mark, read = store(source, tmp_path / "out")
    assert len(read) == 8
    assert mark["counts"]["items"] == 8
    assert mark["counts"]["nuclei"] == sum(mark["counts"][name] for name in CLASSES) > 0
    assert_same(data.PanNuke(tmp_path / "out", [2, 1]), data.PanNuke(raw, [2, 1]))
    arrays = {p.stem: np.load(p, mmap_mode="r") for p in (tmp_path / "out/fold1").glob("*.npy")}
    assert {name: str(a.dtype) for name, a in arrays.items() if name != "types"} == {
        "images": "uint8",
        "instances": "uint16",
        "semantic": "uint8",
    }


def test_what_is_done_is_not_done_again(raw: Path, tmp_path: Path) -> None:
    store(raw, tmp_path / "out")
    before = (tmp_path / "out/fold1/images.npy").read_bytes()
    mark, read = store(raw, tmp_path / "out")
    assert read == []
    assert mark["counts"]["items"] == 8
    assert (tmp_path / "out/fold1/images.npy").read_bytes() == before


def test_a_cut_conversion_goes_on_and_is_not_read_before(raw: Path, tmp_path: Path) -> None:
    first = TileArrays(tmp_path / "out", FACTS)
    items = list(PanNuke(folds=(1, 2)).items(raw))
    for item in items[:6]:
        write(first, item)
    with pytest.raises(DatasetNotFoundError):  # no types yet
        data.PanNuke(tmp_path / "out", [1])
    _, read = store(raw, tmp_path / "out")
    assert read == [item.id for item in items[6:]]
    assert_same(data.PanNuke(tmp_path / "out", [1, 2]), data.PanNuke(raw, [1, 2]))


def test_arrays_that_were_lost_are_written_again(raw: Path, tmp_path: Path) -> None:
    store(raw, tmp_path / "out")
    (tmp_path / "out/fold2/semantic.npy").unlink()
    _, read = store(raw, tmp_path / "out")
    assert {name.partition("_")[0] for name in read} == {"fold2"}
    assert_same(data.PanNuke(tmp_path / "out", [1, 2]), data.PanNuke(raw, [1, 2]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 0.5])
def test_a_bad_tile_leaves_its_fold_unfinished_and_the_others_go_on(
    tmp_path: Path, value: float
) -> None:
    source = fake.write(tmp_path / "raw", folds=(1, 2))
    path = source / "Fold 1/masks/fold1/masks.npy"
    masks = np.load(path)
    masks[2, 5, 5, 1] = value
    np.save(path, masks)
    mark, _ = store(source, tmp_path / "out")
    assert mark["failed"] == ["fold1_0002"]
    assert "mask channel 1" in (tmp_path / "out/report.csv").read_text()
    assert len(data.PanNuke(tmp_path / "out", [2])) == 4
    with pytest.raises(DatasetNotFoundError):
        data.PanNuke(tmp_path / "out", [1])


def test_a_raw_file_cut_short_names_the_row(tmp_path: Path) -> None:
    source = fake.write(tmp_path / "raw", folds=(1, 2))
    path = source / "Fold 1/masks/fold1/masks.npy"
    path.write_bytes(path.read_bytes()[: -64 * 64 * 6 * 8 - 10])
    mark, _ = store(source, tmp_path / "out")
    assert mark["failed"] == ["fold1_0002", "fold1_0003"]
    assert (
        "row 2: the file ends within it; expected 4 rows"
        in (tmp_path / "out/report.csv").read_text()
    )


def test_an_archive_that_is_damaged_inside_is_told(raw: Path, tmp_path: Path) -> None:
    path = zipped(raw, tmp_path / "zips") / "fold_1.zip"
    content = bytearray(path.read_bytes())
    middle = content.index(b"masks.npy") + 1500
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    mark, _ = store(path.parent, tmp_path / "out")
    assert mark["failed"]
    assert set(mark["failed"]) <= {f"fold1_000{i}" for i in range(4)}
    assert "fold_1.zip" in (tmp_path / "out/report.csv").read_text()
    assert len(data.PanNuke(tmp_path / "out", [2])) == 4


def test_refuses_what_would_need_pickle_or_is_no_array(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.zeros((3, 4))))
    (tmp_path / "text.npy").write_text("not an array")
    (tmp_path / "none.npy").touch()
    for path in sorted(tmp_path.glob("*.npy")):
        with pytest.raises(UnreadableFileError, match=path.name):
            NpyRows(path)


def test_a_missing_fold_is_named(raw: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"fold 3 .*fold_3\.zip"):
        list(PanNuke().items(raw))


def test_a_folder_of_other_files_is_left_alone(raw: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "fold1" / "images.npy"
    mirror.parent.mkdir()
    shutil.copy(raw / "Fold 1/images/fold1/images.npy", mirror)
    with pytest.raises(ContractError, match="name an empty or new"):
        TileArrays(tmp_path, FACTS)


def test_the_verb_reads_the_archives_where_they_lie(
    raw: Path, tmp_path: Path, composed: Compose
) -> None:
    source = zipped(raw, tmp_path / "zips")
    small = [f"{{name: fold_{k}.zip, into: null}}" for k in (1, 2)]
    cfg = composed(
        "prepare", "data=pannuke", f"raw={source}", f"output={tmp_path / 'out'}",
        f"prepare.archives=[{','.join(small)}]", "+prepare.source.folds=[1,2]",
        "prepare.expected.counts.fold1=4", "prepare.expected.counts.fold2=4",
        "~prepare.expected.counts.fold3",
    )  # fmt: skip
    assert prepare(cfg)["counts"]["items"] == 8
    assert not any(path.is_dir() for path in source.iterdir()), "nothing was unzipped"
    assert_same(data.PanNuke(tmp_path / "out", [1, 2]), data.PanNuke(raw, [1, 2]))
