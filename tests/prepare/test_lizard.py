from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from fakes import lizard as fake
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import Lizard


def test_classes_follow_the_aligned_lists_whatever_ids_are_missing(tmp_path: Path) -> None:
    items = {item.id: item.read() for item in Lizard().items(fake.write(tmp_path))}
    assert set(items) == set(fake.STEMS)
    item = items["consep_3"]
    image, instances = fake.truth(1)
    np.testing.assert_array_equal(item.image, image)
    np.testing.assert_array_equal(item.instances, instances)
    np.testing.assert_array_equal(item.semantic, np.where(instances > 0, 1 + instances % 6, 0))
    assert (item.split, item.mpp, item.tissue, item.dropped) == ("fold2", 0.5, "colon", ())


def changed(tmp_path: Path, **arrays: np.ndarray) -> str:
    """What reading says of the first image, whose MAT file holds other arrays."""
    path = fake.write(tmp_path) / "Lizard_Labels" / "Labels" / "crag_1.mat"
    kept = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    savemat(path, {k: v for k, v in {**kept, **arrays}.items() if v is not None})
    item = next(item for item in Lizard().items(tmp_path) if item.id == "crag_1")
    with pytest.raises(UnreadableFileError) as caught:
        item.read()
    return str(caught.value)


def test_lists_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    assert "6 ids and 5 classes" in changed(tmp_path / "a", **{"class": np.ones((5, 1))})
    assert "classes 7..7" in changed(tmp_path / "b", **{"class": np.full((6, 1), 7)})
    assert "has no class" in changed(tmp_path / "c", **{"class": None})  # type: ignore[arg-type]


def test_a_nucleus_that_is_not_listed_stays_without_a_class(tmp_path: Path) -> None:
    path = fake.write(tmp_path) / "Lizard_Labels" / "Labels" / "crag_1.mat"
    ids, kinds = np.array([[2], [4], [6], [8], [10]]), np.ones((5, 1))
    _, instances = fake.truth(0)
    savemat(path, {"inst_map": instances, "id": ids, "class": kinds})
    item = next(item for item in Lizard().items(tmp_path) if item.id == "crag_1").read()
    assert [drop.where for drop in item.dropped] == ["nucleus 12"]
    assert item.semantic is not None
    assert set(item.semantic[instances == 12]) == {0}


def test_partners_that_are_missing_are_named(tmp_path: Path) -> None:
    fake.write(tmp_path)
    (tmp_path / "Lizard_Images1" / "crag_1.png").unlink()
    (tmp_path / "Lizard_Labels" / "Labels" / "consep_3.mat").unlink()
    cut = tmp_path / "Lizard_Images1" / "dpath_2.png"
    cut.write_bytes(cut.read_bytes()[:300])
    items = {item.id: item for item in Lizard().items(tmp_path)}
    for name, words in (("crag_1", "no picture"), ("consep_3", "no MAT"), ("dpath_2", "damaged")):
        with pytest.raises(UnreadableFileError, match=words):
            items[name].read()
    assert items["glas_4"].read().instances.max() > 0


def test_a_table_that_is_missing_or_cut(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"info\.csv"):
        list(Lizard().items(tmp_path))
    info = fake.write(tmp_path) / "Lizard_Labels" / "info.csv"
    info.write_text(info.read_text()[:-4])
    with pytest.raises(UnreadableFileError, match="line 7, is cut short"):
        list(Lizard().items(tmp_path))
