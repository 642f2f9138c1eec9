from pathlib import Path

import numpy as np
import pytest

from fakes import conic as fake
from fakes.discs import discs
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import CoNIC


def test_patches_of_one_image_are_one_group(tmp_path: Path) -> None:
    items = [item.read() for item in CoNIC().items(fake.write(tmp_path))]
    assert [item.group for item in items[:3]] == ["consep_1", "consep_1", "crag_2"]
    assert len({item.group for item in items}) == len(fake.SOURCES)
    image, instances = discs(3, 96, 96, 8)
    item = items[3]
    assert item.id == "crag_2-0001"
    np.testing.assert_array_equal(item.image, image)
    np.testing.assert_array_equal(item.instances, instances)
    np.testing.assert_array_equal(item.semantic, np.where(instances > 0, 1 + instances % 6, 0))
    assert item.mpp == 0.5


def test_labels_are_verified_by_the_counts(tmp_path: Path) -> None:
    counts = fake.write(tmp_path) / "counts.csv"
    header, first, *rest = counts.read_text().splitlines()
    counts.write_text("\n".join([header, *rest, first]))
    first_item = next(iter(CoNIC().items(tmp_path)))
    with pytest.raises(UnreadableFileError, match=r"consep_1-0000 .* counts\.csv says"):
        first_item.read()


def test_an_unknown_class_fails_its_patch_alone(tmp_path: Path) -> None:
    labels = np.load(fake.write(tmp_path) / "labels.npy")
    labels[4, 0, 0, 1] = 7
    np.save(tmp_path / "labels.npy", labels)
    items = list(CoNIC().items(tmp_path))
    with pytest.raises(UnreadableFileError, match=r"row 4 of labels\.npy.* has class 7"):
        items[4].read()
    items[5].read()


def test_missing_and_cut_files(tmp_path: Path) -> None:
    fake.write(tmp_path)
    content = (tmp_path / "labels.npy").read_bytes()
    (tmp_path / "labels.npy").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableFileError, match=r"labels\.npy .* cut short"):
        list(CoNIC().items(tmp_path))
    (tmp_path / "labels.npy").write_bytes(content)
    info = (tmp_path / "patch_info.csv").read_text()
    (tmp_path / "patch_info.csv").write_text(info.rpartition("glas")[0])
    with pytest.raises(UnreadableFileError, match=r"10 patches, 10 lines .* and 9 of patch_info"):
        list(CoNIC().items(tmp_path))
    (tmp_path / "patch_info.csv").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"no patch_info\.csv"):
        list(CoNIC().items(tmp_path))
