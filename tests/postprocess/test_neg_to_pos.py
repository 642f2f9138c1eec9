"""Negative cells made positive: as many as asked, and nothing else changes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepliif_sample import pictures
from fakes.seg import BLUE, GREEN, RED, seg_picture
from histoseg.contracts import Array
from histoseg.data.synthetic_stains import synthetic_stains
from histoseg.postprocess import DeepLIIFCells, NegToPos, draws_of
from histoseg.postprocess.deepliif_pixels import NEGATIVE, POSITIVE

PAINT = NegToPos(DeepLIIFCells())
ANY_SIZE = DeepLIIFCells(size_thresh=0)


def counts(seg: Array, cells: DeepLIIFCells = PAINT.cells) -> tuple[int, int]:
    """Positive and negative cells, by a call of the post-process on maps."""
    kinds = cells({"seg": np.moveaxis(seg, -1, 0).astype(np.float32) / 255}).semantic
    return int((kinds == POSITIVE).sum()), int((kinds == NEGATIVE).sum())


def check(seg: Array, percentage: int, paint: NegToPos = PAINT, seed: int = 0) -> None:
    """What must hold of every picture."""
    positive, negative = counts(seg, paint.cells)
    kept = seg.copy()
    done = paint(seg, percentage, draws_of(seed, "a", percentage))
    number = round(percentage * negative / 100)
    np.testing.assert_array_equal(seg, kept)
    assert len(done.ids) == len(np.unique(done.ids)) == number
    assert done.before == (positive, negative)
    assert done.after == counts(done.seg, paint.cells) == (positive + number, negative - number)
    np.testing.assert_array_equal(done.seg[..., 1], seg[..., 1])
    labels = paint.cells.find_in(np.ascontiguousarray(seg)).instances.labels
    changed = (done.seg != seg).any(axis=2)
    assert np.isin(labels[changed], done.ids).all(), "pixels of other cells, or of none, changed"
    assert (seg[changed][:, 2] > seg[changed][:, 0]).all(), "only what was blue changes"
    np.testing.assert_array_equal(done.seg[changed], seg[changed][:, ::-1])


@pytest.mark.parametrize("percentage", [0, 1, 50, 70, 90, 100])
@pytest.mark.parametrize("clustered", [False, True])
def test_counts_of_a_real_picture(percentage: int, clustered: bool, shared_data: Path) -> None:
    seg = pictures(shared_data, "Bladder1")["seg"]
    assert counts(seg) == (15, 168)
    check(seg, percentage, NegToPos(DeepLIIFCells(), clustered))


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    percentage=st.integers(0, 100),
    clustered=st.booleans(),
    blurred=st.booleans(),
)
def test_counts_of_any_picture(seed: int, percentage: int, clustered: bool, blurred: bool) -> None:
    seg = synthetic_stains(96, 96, seed, mpp=0.5)["stains"]["seg"]
    if blurred:
        seg = cv2.GaussianBlur(seg, (0, 0), 0.8)
    for cells in (DeepLIIFCells(), ANY_SIZE):
        check(seg, percentage, NegToPos(cells, clustered), seed)


def test_specks_are_never_chosen() -> None:
    seg = seg_picture((240, 240), 5, 20, specks=30)
    assert counts(seg) == (5, 20)
    done = PAINT(seg, 100, draws_of(0, "a", 100))
    assert done.after == (25, 0)
    assert done.before == (5, 20)
    assert len(done.ids) == 20


def test_what_touches_without_a_boundary_is_one_cell_and_painted_as_one() -> None:
    seg = np.zeros((60, 60, 3), np.uint8)
    seg[10:20, 10:20] = seg[20:30, 20:30] = BLUE  # by a corner
    seg[20:24, 16:20] = RED  # a minority of the same piece
    seg[40:50, 10:20] = BLUE
    seg[40:50, 20:26] = GREEN
    seg[43:47, 12:16] = GREEN  # enclosed: a boundary within
    assert counts(seg, ANY_SIZE) == (0, 2)
    done = NegToPos(ANY_SIZE)(seg, 100, draws_of(0, "a", 100))
    assert done.after == (2, 0)
    blue = (seg == BLUE).all(axis=2)
    assert (done.seg[blue] == BLUE[::-1]).all()
    np.testing.assert_array_equal(done.seg[~blue], seg[~blue])
    check(seg, 50, NegToPos(ANY_SIZE))


def test_a_cell_beside_a_positive_one_stays_one() -> None:
    seg = np.zeros((30, 60, 3), np.uint8)
    seg[10:20, 10:20], seg[10:20, 20:32] = RED, BLUE  # one piece, mostly blue
    assert counts(seg, ANY_SIZE) == (0, 1)
    done = NegToPos(ANY_SIZE)(seg, 100, draws_of(0, "a", 100))
    assert done.before == (0, 1)
    assert done.after == (1, 0)


def test_other_seeds_names_and_percentages_choose_others() -> None:
    seg = seg_picture((240, 240), 0, 60)
    first = PAINT(seg, 50, draws_of(3, "a", 50)).ids
    np.testing.assert_array_equal(first, PAINT(seg, 50, draws_of(3, "a", 50)).ids)
    others = [draws_of(4, "a", 50), draws_of(3, "b", 50)]
    assert all(set(first) != set(PAINT(seg, 50, draws).ids) for draws in others)
    more = PAINT(seg, 70, draws_of(3, "a", 70)).ids
    assert not set(first) <= set(more), "a draw of its own"


def test_every_cell_is_chosen_as_often() -> None:
    seg = seg_picture((96, 96), 2, 8)
    draws = np.random.default_rng(0)
    found = np.concatenate([PAINT(seg, 25, draws).ids for _ in range(1000)])
    _, often = np.unique(found, return_counts=True)
    assert len(often) == 8
    assert abs(often - 250).max() < 5 * np.sqrt(250 * 0.75)


def squares(gap: int) -> Array:
    """Eight negative cells alone, and four in a row with a boundary of ``gap`` px between."""
    seg = np.zeros((100, 200, 3), np.uint8)
    for column in range(8):
        seg[10:20, 10 + 24 * column : 20 + 24 * column] = BLUE
    for place in range(4):
        left = 10 + (10 + gap) * place
        seg[60:70, left : left + 10] = BLUE
        seg[60:70, left + 10 : left + 10 + gap] = GREEN
    return seg


@pytest.mark.parametrize(("gap", "together"), [(1, True), (3, True), (4, True), (5, False)])
def test_clustered_takes_those_that_touch_first(gap: int, together: bool) -> None:
    paint = NegToPos(ANY_SIZE, clustered=True)
    rows = [set(paint(squares(gap), 25, draws_of(s, "a", 25)).ids) for s in range(20)]
    in_a_row = {9, 10, 11, 12}
    assert all(len(ids) == 3 for ids in rows)
    assert all(ids < in_a_row for ids in rows) is together
    if together:
        assert len({tuple(sorted(ids)) for ids in rows}) > 1, "which of them is drawn"
        assert in_a_row < set(paint(squares(gap), 50, draws_of(0, "a", 50)).ids)


def test_a_positive_neighbour_is_no_cluster() -> None:
    seg = squares(3)
    seg[60:70, 23:33] = seg[60:70, 49:59] = RED  # the second and the last of the row
    paint = NegToPos(ANY_SIZE, clustered=True)
    chosen = {int(i) for s in range(20) for i in paint(seg, 10, draws_of(s, "a", 10)).ids}
    assert len(chosen) > 5, "nobody is preferred"


@pytest.mark.parametrize("percentage", [-1, 101])
def test_percentages_that_are_none(percentage: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to 100"):
        PAINT(seg_picture((96, 96), 2, 8), percentage, np.random.default_rng(0))


@pytest.mark.parametrize("more", [{"marker_thresh": 9}, {"od_thresh_lower": 9}])
def test_classes_by_other_pictures_are_refused(more: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="only Seg pictures are painted"):
        NegToPos(DeepLIIFCells(**more))  # type: ignore[arg-type]


def test_an_empty_picture_stays_empty() -> None:
    seg = np.zeros((30, 30, 3), np.uint8)
    for clustered in (False, True):
        done = NegToPos(DeepLIIFCells(), clustered)(seg, 50, draws_of(0, "a", 50))
        assert done.before == done.after == (0, 0)
        assert len(done.ids) == 0
        assert not done.seg.any()
