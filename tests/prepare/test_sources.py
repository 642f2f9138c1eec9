"""Each source on its fake: what it finds, what it reads, and what it makes of a broken item."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from fakes import consep, cpm15, cpm17, kumar, monuseg, tnbc
from fakes.discs import discs
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import TNBC, Either, Item, MatFolders, MoNuSeg, Source


def read(source: Source, raw: Path) -> dict[str, Item]:
    return {item.id: item.read() for item in source.items(raw)}


def same_objects(found: np.ndarray, true: np.ndarray) -> bool:
    """Whether two maps hold the same objects under any ids."""
    pairs = np.unique(np.stack([found.ravel(), true.ravel()]), axis=1)
    return len(pairs.T) == len(np.unique(found)) == len(np.unique(true))


def test_consep_with_its_seven_classes(tmp_path: Path) -> None:
    consep.write(tmp_path / "CoNSeP")
    items = read(MatFolders({"train": "Train", "test": "Test"}, classes=True, mpp=0.25), tmp_path)
    assert [item.split for item in items.values()] == ["train"] * 4 + ["test"] * 2
    item = items["test_1"]
    image, instances = discs(1, 72, 80, 7)
    np.testing.assert_array_equal(item.image, image)
    np.testing.assert_array_equal(item.instances, instances)
    np.testing.assert_array_equal(item.semantic, instances)  # nucleus k has class k
    assert item.mpp == 0.25


def test_a_mat_file_without_types_or_missing_fails_alone(tmp_path: Path) -> None:
    consep.write(tmp_path)
    savemat(tmp_path / "Train/Labels/train_1.mat", {"inst_map": np.eye(3)})
    (tmp_path / "Train/Labels/train_2.mat").unlink()
    source = MatFolders({"train": "Train"}, classes=True)
    first, second, third, _ = source.items(tmp_path)
    with pytest.raises(UnreadableFileError, match=r"train_1\.mat has no 'type_map'"):
        first.read()
    with pytest.raises(UnreadableFileError, match="train_2 has no MAT file"):
        second.read()
    assert third.read().instances.max() == 7


def test_cpm_with_and_without_parts(tmp_path: Path) -> None:
    cpm17.write(tmp_path / "cpm17" / "cpm17")
    items = read(MatFolders({"train": "train", "test": "test"}), tmp_path / "cpm17")
    assert [item.split for item in items.values()] == ["train"] * 4 + ["test"] * 2
    assert {item.group for item in items.values()} == set(items)
    cpm15.write(tmp_path / "cpm15")
    items = read(MatFolders({"": "cpm15"}), tmp_path / "cpm15")
    assert [item.split for item in items.values()] == [""] * 5
    assert items["image01"].semantic is None


def test_outlines_give_back_the_objects_they_were_drawn_around(tmp_path: Path) -> None:
    monuseg.write(tmp_path)
    source = MoNuSeg(
        {"train": "tissue images", "test": "MoNuSegTestData"},
        mpp=0.25,
        tissues={"breast": [monuseg.KNOWN[0]]},
    )
    items = read(source, tmp_path)
    assert [item.split for item in items.values()] == ["train"] * 4 + ["test"] * 2
    assert items[monuseg.KNOWN[0]].tissue == "breast"
    assert items[monuseg.KNOWN[1]].tissue == ""
    patients = [item.group for item in items.values()]
    assert patients.count("TCGA-XX-0001") == 2, "two images of one patient"
    for name, seed in ((monuseg.KNOWN[0], 0), ("TCGA-T-8", 8)):
        assert same_objects(items[name].instances, discs(seed, 72, 80, 6)[1])


def test_kumar_by_mat_or_by_names_from_the_xml_release(tmp_path: Path) -> None:
    members = {"train": ["TCGA-A-1"], "test_same": ["TCGA-B-1"], "test_diff": ["TCGA-C-1"]}
    forms = [
        MatFolders({part: part for part in members}),
        MoNuSeg({"all": "Tissue Images"}, members=members),
    ]
    kumar.write(tmp_path / "mat" / "kumar")
    assert len(read(Either(forms), tmp_path / "mat")) == 7
    kumar.write_xml(tmp_path / "xml", ["TCGA-A-1", "TCGA-B-1", "TCGA-C-1", "TCGA-more"])
    items = read(Either(forms), tmp_path / "xml")
    assert {name: item.split for name, item in items.items()} == {
        "TCGA-A-1": "train",
        "TCGA-B-1": "test_same",
        "TCGA-C-1": "test_diff",
    }
    (tmp_path / "xml" / "Annotations" / "TCGA-B-1.xml").unlink()
    broken = [i for i in Either(forms).items(tmp_path / "xml") if i.id == "TCGA-B-1"]
    with pytest.raises(UnreadableFileError, match="has no XML file"):
        broken[0].read()


def test_a_broken_outline_is_dropped_with_its_place(tmp_path: Path) -> None:
    kumar.write_xml(tmp_path, ["a"])
    path = tmp_path / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace('X="', 'X="nan', 1))
    (item,) = MoNuSeg({"train": "Tissue Images"}).items(tmp_path)
    (dropped,) = item.read().dropped
    assert "region 1" in dropped.where
    assert len(np.unique(item.read().instances)) == 6, "five of six nuclei, and background"


def test_tnbc_labels_pieces_and_groups_patients(tmp_path: Path) -> None:
    tnbc.write(tmp_path)
    items = read(TNBC(), tmp_path)
    assert len(items) == 8
    assert {item.group for item in items.values()} == {f"patient_{p:02d}" for p in range(1, 5)}
    image, instances = discs(21, 72, 80, 6)
    np.testing.assert_array_equal(items["02_1"].image, image)
    assert same_objects(items["02_1"].instances, instances)


@pytest.mark.parametrize(
    "source",
    [
        MatFolders({"train": "Train"}),
        MoNuSeg({"train": "Tissue Images"}),
        TNBC(),
        Either([MatFolders({"": "a"}), TNBC()]),
    ],
)
def test_nothing_there_says_what_was_looked_for(source: Source, tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="there is no folder"):
        list(source.items(tmp_path / "nowhere"))
    (tmp_path / "Train" / "Images").mkdir(parents=True)
    with pytest.raises(DatasetNotFoundError, match="there is no folder"):
        list(source.items(tmp_path))
