from pathlib import Path

import numpy as np
import pytest

from fakes import endonuke as fake
from histoseg.data import PreparedNuclei, PreparedPoints
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.prepare import EndoNuke, Facts, Store, convert

CLASSES = ("stroma", "epithelium", "other")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    colours = tuple((k, k, k) for k in range(3))
    store = Store(tmp_path / "set", Facts("endonuke", CLASSES, colours))
    convert(list(EndoNuke().items(fake.write(tmp_path / "raw"))), store)
    assert store.finish()["counts"] == {
        "items": 5, "nuclei": 100, "stroma": 30, "epithelium": 35, "other": 35,
    }  # fmt: skip
    return tmp_path / "set"


def test_as_stored_each_tile_has_its_own_resolution(root: Path) -> None:
    data = PreparedPoints(root, CLASSES)
    records = {record["place"].slide: record for record in data}
    assert all(set(record) == data.provides for record in records.values())
    assert [records[n]["place"].mpp for n in "12"] == [0.5, 0.25]
    assert [records[n]["image"].shape[0] for n in "12"] == [200, 400]
    assert records["1"]["points"].dtype == np.float32


def test_resampled_the_nuclei_stay_under_their_points(root: Path) -> None:
    for resample in (0.25, 0.5):
        for record in PreparedPoints(root, CLASSES, resample=resample):
            side = round(100 / resample)
            assert record["image"].shape == (side, side, 3)
            assert record["place"].mpp == resample
            x, y, _ = np.rint(record["points"]).astype(int).T
            assert (record["image"][y, x, 1] < 130).all(), "purple, not pink"


def test_a_published_part_is_an_annotator(root: Path) -> None:
    assert PreparedPoints(root, CLASSES, published="ptg1").ids == ("1", "2")
    with pytest.raises(ContractError, match=r"parts \['ptg1', 'stud1'\]"):
        PreparedPoints(root, CLASSES, published="ptg7")


def test_classes_are_led_to_others_by_name(root: Path) -> None:
    names = {"other": None, "epithelium": "gland"}
    record = PreparedPoints(root, ("stroma", "gland"), class_map=names)[0]
    assert set(record["points"][:, 2]) == {0, 1, 2}
    assert (record["points"][:, 2] == 0).sum() == 7


def test_no_instance_maps_are_invented(root: Path) -> None:
    assert not (root / "instances").exists()
    with pytest.raises(UnreadableFileError, match=r"1\.tif"):
        PreparedNuclei(root, CLASSES)[0]


@pytest.mark.parametrize("text", ["x,y,class\n1,2,4\n", "x,y\n1,2\n", "x,y,class\n1,a,2\n"])
def test_a_damaged_table_is_named(root: Path, text: str) -> None:
    (root / "points" / "1.csv").write_text(text)
    with pytest.raises(UnreadableFileError, match=r"points/1\.csv holds .*prepare again"):
        PreparedPoints(root, CLASSES)[0]


def test_mistakes_are_named(root: Path) -> None:
    with pytest.raises(ValueError, match="resample is 0"):
        PreparedPoints(root, CLASSES, resample=0)
