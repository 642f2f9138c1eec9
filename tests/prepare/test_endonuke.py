from pathlib import Path

import numpy as np
import pytest

from fakes import endonuke as fake
from fakes.discs import discs
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare import EndoNuke


def test_points_and_resolution(tmp_path: Path) -> None:
    items = {item.id: item.read() for item in EndoNuke().items(fake.write(tmp_path))}
    assert sorted(items) == ["1", "2", "3", "4", "5"], "99 has no points"
    item = items["1"]
    image, instances = discs(1, 200, 200, 20, radius=8)
    np.testing.assert_array_equal(item.image, image)
    assert item.points is not None
    x, y, kinds = item.points.T.astype(int)
    np.testing.assert_array_equal(instances[y, x], np.arange(1, 21))
    np.testing.assert_array_equal(kinds, 1 + np.arange(1, 21) % 3)
    assert (item.split, item.mpp) == ("ptg1", 0.5)
    assert (items["2"].image.shape, items["2"].mpp) == ((400, 400, 3), 0.25)


def test_annotators_can_be_chosen_and_told_apart(tmp_path: Path) -> None:
    labels = fake.write(tmp_path) / "data" / "dataset" / "labels" / "bulk"
    assert [item.id for item in EndoNuke(annotators=["ptg1"]).items(tmp_path)] == ["1", "2"]
    (labels / "stud1" / "1.txt").write_text((labels / "ptg1" / "1.txt").read_text())
    names = [item.id for item in EndoNuke().items(tmp_path)]
    assert names == ["1_ptg1", "2", "1_stud1", "3", "4", "5"]
    with pytest.raises(DatasetNotFoundError, match=r"of \['ptg9'\]"):
        list(EndoNuke(annotators=["ptg9"]).items(tmp_path))
    with pytest.raises(DatasetNotFoundError, match="labels/hidden_agreement/"):
        list(EndoNuke(study="hidden_agreement").items(tmp_path))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("3 4 3", r"no class of \[0, 1, 2\]"),
        ("3 4", "line 2, is '3 4'"),
        ("a 4 1", "x, y and class"),
    ],
)
def test_a_line_that_is_no_point_fails_its_tile_alone(
    tmp_path: Path, line: str, words: str
) -> None:
    labels = fake.write(tmp_path) / "data" / "dataset" / "labels" / "bulk" / "ptg1"
    (labels / "1.txt").write_text(f"1 1 0\n{line}\n")
    first, second, *_ = EndoNuke().items(tmp_path)
    with pytest.raises(UnreadableFileError, match=words):
        first.read()
    second.read()


def test_numbers_lines_and_marks_of_other_programs_are_read(tmp_path: Path) -> None:
    labels = fake.write(tmp_path) / "data" / "dataset" / "labels" / "bulk" / "ptg1"
    (labels / "1.txt").write_bytes(b"\xef\xbb\xbf1.25 2.5 0\r\n3e0 4 2\r\n\r\n5\t6 1.0\r\n")
    first, *_ = EndoNuke().items(tmp_path)
    points = first.read().points
    assert points is not None
    assert points.tolist() == [[1.25, 2.5, 1], [3, 4, 3], [5, 6, 2]]


def test_codes_are_named(tmp_path: Path) -> None:
    labels = fake.write(tmp_path) / "data" / "dataset" / "labels" / "bulk" / "ptg1"
    (labels / "1.txt").write_text("1 1 0\n2 2 1\n3 3 2\n")
    codes = {0: "other", 1: "stroma", 2: "epithelium"}  # as IHC_HE_GenAI says, wrongly
    first, *_ = EndoNuke(codes=codes).items(tmp_path)
    points = first.read().points
    assert points is not None
    assert points[:, 2].tolist() == [3, 1, 2]
    with pytest.raises(ValueError, match=r"codes lead to \['glands'\]"):
        EndoNuke(codes={0: "glands"})


def test_points_outside_are_dropped_and_partners_named(tmp_path: Path) -> None:
    dataset = fake.write(tmp_path) / "data" / "dataset"
    (dataset / "labels" / "bulk" / "ptg1" / "1.txt").write_text("0 0 0\n\n200 3 1\n199 199 2\n")
    (dataset / "images" / "2.png").unlink()
    cut = dataset / "images" / "3.png"
    cut.write_bytes(cut.read_bytes()[:100])
    first, second, third, *_ = EndoNuke().items(tmp_path)
    item = first.read()
    assert item.points is not None
    assert item.points.tolist() == [[0, 0, 1], [199, 199, 3]]
    assert [(drop.where, drop.why) for drop in item.dropped] == [("line 3", "outside the image")]
    with pytest.raises(UnreadableFileError, match=r"has no images/2\.png"):
        second.read()
    with pytest.raises(UnreadableFileError, match=r"3\.png"):
        third.read()
