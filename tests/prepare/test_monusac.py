from pathlib import Path

import numpy as np
import pytest

from fakes import monusac as fake
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import Item, MoNuSAC

PARTS = {"train": fake.TRAIN, "test": fake.TEST}


def source() -> MoNuSAC:
    return MoNuSAC(PARTS, mpp=0.25, tissues={"lung": ["TCGA-69-7760"]})


def read(raw: Path) -> dict[str, Item]:
    return {item.id: item.read() for item in source().items(raw)}


def test_items_are_what_was_drawn(tmp_path: Path) -> None:
    items = read(fake.write(tmp_path))
    assert [item.split for item in items.values()].count("train") == 4
    assert [item.split for item in items.values()].count("test") == 2
    item = items["train_TCGA-69-7760-01Z-00-DX1_2"]  # comes as SVS
    image, instances, kinds = fake.truth(1)
    np.testing.assert_array_equal(item.image, image)
    np.testing.assert_array_equal(item.instances > 0, instances > 0)
    np.testing.assert_array_equal(item.semantic, kinds)
    assert (item.group, item.tissue, item.mpp, item.dropped) == ("TCGA-69-7760", "lung", 0.25, ())
    assert item.ignore is None


def test_ambiguous_regions_are_ignored_and_no_nuclei(tmp_path: Path) -> None:
    item = read(fake.write(tmp_path))["test_TCGA-2Z-A9JG-01Z-00-DX1_1"]
    expected = np.zeros(fake.SIZE, dtype=bool)
    expected[fake.AMBIGUOUS] = True
    np.testing.assert_array_equal(item.ignore, expected)
    np.testing.assert_array_equal(item.semantic, fake.truth(7)[2])
    assert item.dropped == ()


def test_an_unknown_class_is_dropped_and_reported(tmp_path: Path) -> None:
    fake.write(tmp_path)
    path = next((tmp_path / fake.TRAIN).rglob("*5P-A9K0*.xml"))
    path.write_text(path.read_text().replace('"Macrophage"', '"Mitosis"'))
    item = read(tmp_path)[f"train_{path.stem}"]
    assert {drop.why.split(":")[0] for drop in item.dropped} == {"unknown class"}
    assert "Mitosis" in item.dropped[0].why
    assert item.semantic is not None
    assert 3 not in item.semantic


def test_a_broken_patch_fails_alone(tmp_path: Path) -> None:
    fake.write(tmp_path)
    cut = next((tmp_path / fake.TRAIN).rglob("*5P-A9K0*.xml"))
    cut.write_text(cut.read_text()[:200])
    alone = next((tmp_path / fake.TRAIN).rglob("*A2-A0CV*.xml"))
    alone.unlink()
    bare = next((tmp_path / fake.TEST).rglob("*VP-A87E*.xml"))
    for suffix in (".tif", ".svs"):
        bare.with_suffix(suffix).unlink()
    failed = {}
    for item in source().items(tmp_path):
        try:
            item.read()
        except UnreadableFileError as error:
            failed[item.id.rpartition("TCGA-")[2][:7]] = str(error)
    assert failed.keys() == {"5P-A9K0", "A2-A0CV", "VP-A87E"}
    assert "no XML file" in failed["A2-A0CV"]
    assert "no .svs or .tif file" in failed["VP-A87E"]


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="MoNuSAC_images_and_annotations"):
        list(source().items(tmp_path))
