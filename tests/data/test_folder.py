import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from fakes import folder as fake
from fakes.discs import discs
from histoseg.data import NucleiFolder
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.pickled_arrays import read_pickled_arrays


def open_folder(root: Path, **more: object) -> NucleiFolder:
    options = {"semantic": root / "semantic", "classes": fake.CLASSES, **more}
    return NucleiFolder(root / "images", root / "instances", **options)


@pytest.mark.parametrize("kind", ["npy", "png", "tif", "mat"])
def test_gives_what_it_provides(tmp_path: Path, kind: str) -> None:
    fake.write(tmp_path, kind)
    semantic = None if kind == "mat" else tmp_path / "semantic"
    data = open_folder(tmp_path, semantic=semantic, mpp=0.25)
    record = data[2]
    assert set(record) == NucleiFolder.provides
    image, instances = discs(1, 72, 80, 6)  # of p1_1: p0_0 and p0_2 come before it
    np.testing.assert_array_equal(record["image"], image)
    np.testing.assert_array_equal(record["instances"], instances)
    assert record["place"] == ("p1_1", 0, 0, 0.25)
    assert record["instances"].dtype == np.int32
    assert record["semantic"].dtype == np.uint8
    np.testing.assert_array_equal(
        record["semantic"], np.where(record["instances"] > 0, 1 + record["instances"] % 2, 0)
    )


def test_without_classes_there_is_no_semantic(tmp_path: Path) -> None:
    data = open_folder(fake.write(tmp_path), semantic=None, classes=())
    assert set(data[0]) == NucleiFolder.provides - {"semantic"}
    assert np.isnan(data[0]["place"].mpp)


@pytest.mark.parametrize("row", [True, False])
def test_inst_type_paints_where_there_is_no_type_map(tmp_path: Path, row: bool) -> None:
    fake.write(tmp_path, "mat", images=1)
    instances = np.zeros((72, 80))
    instances[:3], instances[5:8], instances[10:12] = 4, 9, 2
    types = np.array([2.0, 1.0, 2.0])  # of ids 2, 4, 9
    maps = {"inst_map": instances, "inst_type": types[None] if row else types[:, None]}
    savemat(tmp_path / "instances/p0_0.mat", maps)
    semantic = open_folder(tmp_path, semantic=None)[0]["semantic"]
    assert [semantic[y, 0] for y in (0, 4, 5, 10)] == [1, 0, 2, 2]


def test_inst_type_must_fit_the_ids(tmp_path: Path) -> None:
    fake.write(tmp_path, "mat", images=1)
    maps = {"inst_map": np.eye(4), "inst_type": np.ones((2, 1))}
    savemat(tmp_path / "instances/p0_0.mat", maps)
    Image.new("RGB", (4, 4)).save(tmp_path / "images/p0_0.png")
    with pytest.raises(UnreadableFileError, match="2 rows for 1 ids"):
        open_folder(tmp_path, semantic=None)[0]


def test_class_map_merges(tmp_path: Path) -> None:
    data = open_folder(fake.write(tmp_path), classes=["nucleus"], class_map={2: 1})
    assert data[0]["semantic"].max() == 1
    dropped = open_folder(tmp_path, class_map={1: 0, 7: 3})
    assert set(np.unique(dropped[0]["semantic"])) == {0, 2}


def test_a_class_without_a_name_is_refused_even_with_skip(tmp_path: Path) -> None:
    data = open_folder(fake.write(tmp_path), classes=["tumour"], on_error="skip")
    with pytest.raises(
        ContractError, match=r"p0_0: .* class 2, but classes names only 1: \['tumour"
    ):
        data[0]


def test_classes_need_a_source_and_a_source_needs_classes(tmp_path: Path) -> None:
    fake.write(tmp_path)
    with pytest.raises(ContractError, match=r"p0_0\.npy cannot hold them"):
        open_folder(tmp_path, semantic=None)
    with pytest.raises(ContractError, match="classes is empty"):
        open_folder(tmp_path, classes=())


def test_pictures_stay_as_stored_since_labels_lie_on_them(tmp_path: Path) -> None:
    fake.write(tmp_path)
    path = tmp_path / "images/p0_0.png"
    exif = Image.Exif()
    exif[274] = 6  # a viewer turns it by a quarter
    with Image.open(path) as stored:
        pixels = np.asarray(stored)
        stored.save(path, exif=exif)
    np.testing.assert_array_equal(open_folder(tmp_path)[0]["image"], pixels)


def test_an_unreadable_image_is_skipped(tmp_path: Path) -> None:
    fake.write(tmp_path)
    (tmp_path / "images/p0_2.png").write_bytes(b"\x89PNG")
    with pytest.raises(UnreadableFileError, match=r"p0_2\.png \(4 bytes\)"):
        open_folder(tmp_path)[1]
    data = open_folder(tmp_path, on_error="skip")
    assert data[1]["place"].slide == "p1_1"
    assert data.skipped == ["p0_2"]


def test_sizes_must_agree(tmp_path: Path) -> None:
    fake.write(tmp_path)
    np.save(tmp_path / "semantic/p0_0.npy", np.zeros((72, 81), int))
    np.save(tmp_path / "instances/p0_2.npy", np.zeros((9, 80), int))
    data = open_folder(tmp_path)
    with pytest.raises(UnreadableFileError, match=r"p0_0: .*72 x 80 .*class map is 72 x 81"):
        data[0]
    with pytest.raises(UnreadableFileError, match=r"p0_2: .*instance map is 9 x 80"):
        data[1]


def test_missing_folders_and_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"there is no folder .*images"):
        open_folder(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetNotFoundError, match=r"images holds no \.bmp"):
        open_folder(tmp_path)


def test_missing_partners_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fake.write(tmp_path)
    (tmp_path / "instances/p1_3.npy").rename(tmp_path / "instances/p1_4.npy")
    with pytest.raises(
        DatasetNotFoundError, match=r"1 of 4 images have no instance map.*p1_3\.png"
    ):
        open_folder(tmp_path)
    (tmp_path / "images/p1_3.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert open_folder(tmp_path).ids == ("p0_0", "p0_2", "p1_1")
    assert "p1_4" in caplog.text


def test_two_files_of_one_stem_are_refused(tmp_path: Path) -> None:
    fake.write(tmp_path)
    Image.new("RGB", (80, 72)).save(tmp_path / "images/p0_0.jpg")
    with pytest.raises(ContractError, match=r"p0_0\.jpg and p0_0\.png .* share a stem"):
        open_folder(tmp_path)


def test_a_group_stays_together(tmp_path: Path) -> None:
    fake.write(tmp_path, images=8)
    options = {"fractions": {"train": 0.5, "test": 0.5}, "group_pattern": r"^p\d"}
    parts = [open_folder(tmp_path, split=s, **options).ids for s in ("train", "test")]
    assert sorted(len(part) for part in parts) == [4, 4]
    assert [len({stem[:2] for stem in part}) for part in parts] == [1, 1]
    with pytest.raises(ContractError, match="finds no group in 'p0_0'"):
        open_folder(tmp_path, group_pattern="TCGA")


def test_nucls_tiles(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "nucls_cellvitpp" / "Example-Segmentation" / "train"
    (tmp_path / "labels").mkdir()
    for path in sorted((source / "labels").glob("*.npy")):
        maps = read_pickled_arrays(path, ("inst_map", "type_map"))
        savemat(tmp_path / "labels" / f"{path.stem}.mat", maps)
    data = NucleiFolder(source / "images", tmp_path / "labels", classes=[*"abcde"])
    assert len(data) == len(list((source / "images").glob("*.png")))
    assert all(record["instances"].max() > 0 for record in data)
