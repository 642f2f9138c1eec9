"""Cells as short texts and back."""

import numpy as np
import pytest

from histoseg.ops.cell_records import CellColumns, decode, encode, turned

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]


def cell(size: int = 4, value: int = 3, at: tuple[int, int] = (0, 0), side: int = 1) -> CellColumns:
    points = np.array(SQUARE) * side + at
    return CellColumns(
        size=np.array([size]),
        positive=np.array([True]),
        value=np.array([value]),
        corners=np.concatenate([points.min(axis=0), points.max(axis=0)])[None],
        centre=points[:1],
        points_xy=points,
        offsets=np.array([0, 4]),
    )


def joined(cells: list[CellColumns]) -> CellColumns:
    columns = [np.concatenate(column) for column in zip(*(c[:-1] for c in cells), strict=True)]
    return CellColumns(
        *columns, np.concatenate([[0], np.cumsum([len(c.points_xy) for c in cells])])
    )


def test_numbers_take_as_many_digits_as_they_need() -> None:
    short, long = encode(cell())[0], encode(cell(size=92**3, at=(92, 5), side=200))[0]
    assert ord(short[0]) - 35 == 0
    assert ord(long[0]) - 35 == 16 * 3 + 4 * 1 + 1
    assert short[1:4] == chr(35 + 4) + chr(35) + chr(35 + 7)
    assert short[-3:] == chr(35 + 8) + chr(35 + 8 + 6) + chr(35 + 8 + 4)
    assert len(long) == 1 + 4 + 2 + 2 * 2 + 6 * 2 + 3 * 20


def test_all_comes_back() -> None:
    random = np.random.default_rng(0)
    cells = []
    for _ in range(200):
        at = tuple(random.integers(0, 9000, 2).tolist())
        cells.append(cell(int(random.integers(1, 10**6)), int(random.integers(4000)), at,
                          int(random.integers(1, 300))))  # fmt: skip
    whole = joined(cells)
    for name, column in decode(encode(whole))._asdict().items():
        np.testing.assert_array_equal(column, getattr(whole, name), err_msg=name)
    one_pixel = cell()._replace(points_xy=np.array([[7, 7]]), offsets=np.array([0, 1]))
    back = decode(encode(joined([one_pixel, cell(), one_pixel])))
    assert back.offsets.tolist() == [0, 1, 5, 6]
    assert back.points_xy[[0, 5]].tolist() == [[7, 7], [7, 7]]


def test_no_cells() -> None:
    nothing = decode([])
    assert encode(nothing) == []
    assert nothing.points_xy.shape == (0, 2)


def test_a_contour_turns_round_from_its_first_point() -> None:
    points, offsets = np.array([*SQUARE, [5, 5]]), np.array([0, 4, 5])
    assert turned(points, offsets).tolist() == [[0, 0], [0, 1], [1, 1], [1, 0], [5, 5]]
    assert turned(turned(points, offsets), offsets).tolist() == points.tolist()


@pytest.mark.parametrize(
    "cells",
    [
        cell(size=92**4),
        cell(value=5000),
        cell(at=(-1, 0)),
        cell()._replace(points_xy=np.array([[0, 0], [3, 1], [1, 1], [0, 1]])),
        cell()._replace(points_xy=np.array([[0, 0], [0, 0], [1, 1], [0, 1]])),
    ],
)
def test_what_the_format_cannot_hold_is_refused(cells: CellColumns) -> None:
    with pytest.raises(ValueError, match=r"too large|slanted"):
        encode(cells)


@pytest.mark.parametrize(
    "text", ["", "#", "é", "\x7f", encode(cell())[0][:9], encode(cell())[0] + "#"]
)
def test_damaged_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="record"):
        decode([encode(cell())[0], text])
