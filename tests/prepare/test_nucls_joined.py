from pathlib import Path

import numpy as np
import pytest

from fakes import nucls_joined as fake
from fakes.discs import discs
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import NuCLSJoined


def test_nuclei_get_the_class_of_their_point(tmp_path: Path) -> None:
    items = [item.read() for item in NuCLSJoined().items(fake.write(tmp_path))]
    assert len(items) == fake.TILES
    image, instances = discs(2, 64, 64, 6)
    np.testing.assert_array_equal(items[2].image, image)
    np.testing.assert_array_equal(items[2].instances, instances)
    expected = np.where(instances > 1, 1 + instances % 4, 0)  # nucleus 1 has no point
    np.testing.assert_array_equal(items[2].semantic, expected)
    assert [drop.where for drop in items[2].dropped] == ["point 6", "nucleus 1"]


def test_broken_items_fail_alone(tmp_path: Path) -> None:
    fake.write(tmp_path)
    maps = tmp_path / "Example-Segmentation" / "train" / "labels"
    points = tmp_path / "Example-Detection" / "train" / "labels"
    whole = (maps / "train_0.npy").read_bytes()
    (maps / "train_0.npy").write_bytes(whole[: len(whole) // 2])
    (maps / "train_1.npy").unlink()
    (points / "train_2.csv").unlink()
    (points / "train_3.csv").write_text("1,2,4\n")
    words = ["cut", "no instance map", "no file of points", r"class outside 0\.\.3"]
    *broken, good = NuCLSJoined().items(tmp_path)
    for item, word in zip(broken, words, strict=True):
        with pytest.raises(UnreadableFileError, match=word):
            item.read()
    good.read()


def test_an_empty_folder_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="Example-Segmentation"):
        list(NuCLSJoined().items(tmp_path))


def test_the_ten_real_tiles(shared_data: Path) -> None:
    items = [item.read() for item in NuCLSJoined().items(shared_data / "nucls_cellvitpp")]
    assert len(items) == 10
    nuclei = sum(len(np.unique(item.instances)) - 1 for item in items)
    lost = [drop for item in items for drop in item.dropped]
    unjoined = sum(drop.where.startswith("point") for drop in lost)
    assert (nuclei, unjoined, len(lost) - unjoined) == (458, 39, 99)
    with np.load(shared_data / "golden_hovernet_public" / "nucls_train_1.npz") as golden:
        true = next(golden[k] for k in golden.files if "true" in k)
    found = next(item for item in items if item.id == "train_1").instances
    np.testing.assert_array_equal(found > 0, true > 0)
