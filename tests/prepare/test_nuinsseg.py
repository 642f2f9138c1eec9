from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fakes import nuinsseg as fake
from fakes.discs import discs
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import NuInsSeg
from histoseg.prepare.nuinsseg import _folds


def test_ambiguous_areas_are_ignored(tmp_path: Path) -> None:
    items = {item.id: item.read() for item in NuInsSeg().items(fake.write(tmp_path))}
    assert len(items) == 12
    item = items["human_brain_02"]
    image, instances = discs(5, 64, 72, 6)
    np.testing.assert_array_equal(item.image, image)
    np.testing.assert_array_equal(item.instances, instances)
    expected = np.zeros((64, 72), dtype=bool)
    expected[fake.VAGUE] = True
    np.testing.assert_array_equal(item.ignore, expected)
    assert (item.group, item.tissue, item.semantic) == ("human brain", "human brain", None)
    without = items["mouse_liver_01"]
    assert without.ignore is None
    assert "no mask of ambiguous areas" in without.dropped[0].why


def test_folds_follow_the_shuffled_order_in_parts_of_equal_length() -> None:
    order = np.arange(665)
    np.random.RandomState(19).shuffle(order)
    folds = np.array(_folds(665))
    assert [set(folds[order[133 * k : 133 * (k + 1)]]) for k in range(5)] == [
        {k + 1} for k in range(5)
    ]
    assert Counter(_folds(12)) == {1: 3, 2: 3, 3: 2, 4: 2, 5: 2}


def test_a_missing_label_or_a_cut_one_fails_alone(tmp_path: Path) -> None:
    labels = fake.write(tmp_path) / "human bladder" / "label masks modify"
    (labels / "human_bladder_01.tif").unlink()
    cut = labels / "human_bladder_02.tif"
    cut.write_bytes(cut.read_bytes()[:500])
    first, second, third, *_ = NuInsSeg().items(tmp_path)
    with pytest.raises(UnreadableFileError, match=r"no label masks modify/human_bladder_01\.tif"):
        first.read()
    with pytest.raises(UnreadableFileError, match=r"human_bladder_02\.tif"):
        second.read()
    third.read()


def test_an_empty_folder_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="tissue images"):
        list(NuInsSeg().items(tmp_path))
