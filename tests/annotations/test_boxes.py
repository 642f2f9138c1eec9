from pathlib import Path

import numpy as np
import pytest

from histoseg.annotations import Box, Drawing, Shape, boxes_of, read_boxes
from histoseg.errors import UnreadableFileError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a--labels.txt"
    path.write_text(text)
    return path


def test_rows_with_two_decimals_and_a_trailing_comma(tmp_path: Path) -> None:
    text = "Class,X,Y,W,H\n1,50.50,40.00,21.00,10.00,\n\n2,5.00,6.00,20.00,30.00\n"
    assert read_boxes(written(tmp_path, text)) == [
        Box("1", 40, 35, 61, 45),
        Box("2", -5, -9, 15, 21),
    ]


def test_boxes_are_cut_at_the_image_and_padded() -> None:
    box = Box("1", -5, -9, 15, 21)
    assert box.within((20, 12)) == Box("1", 0, 0, 12, 20)
    assert Box("1", 4, 4, 6, 6).within((20, 20), 3) == Box("1", 1, 1, 9, 9)


@pytest.mark.parametrize("row", ["1,2,3,4", "1,x,3,4,5", "1,2,3,0,5", "1,2,nan,4,5"])
def test_rows_that_are_no_boxes_are_named(row: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="row 3"):
        read_boxes(written(tmp_path, f"Class,X,Y,W,H\n1,2,3,4,5,\n{row}\n"))


def test_the_box_of_an_outline_holds_its_pixels() -> None:
    corners = np.array([[9.5, 9.5], [59.5, 9.5], [59.5, 49.5], [9.5, 49.5]])
    point = Shape("point", np.zeros((1, 2)))
    assert boxes_of(Drawing((point, Shape("polygon", corners)))) == [Box("1", 10, 10, 60, 50)]
