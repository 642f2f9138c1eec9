import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoseg.analysis import DensityGrid, Hotspot, Wanted, exact_hotspots, grid_hotspots
from histoseg.contracts import Array

from . import brute

SIZE = (37, 45)


def scattered(seed: int, number: int, size: tuple[int, int] = SIZE) -> tuple[Array, Array]:
    """Pixels, several nuclei on some of them, and classes 0..2."""
    rng = np.random.default_rng(seed)
    spots = rng.integers(0, size[::-1], (3, 2))
    loose = rng.integers(0, size[::-1], (number, 2))
    dense = spots[rng.integers(0, 3, number)] + rng.integers(-4, 5, (number, 2))
    pixels = np.where(rng.random((number, 1)) < 0.5, loose, dense)
    return pixels.clip(0, np.array(size[::-1]) - 1), rng.integers(0, 3, number).astype(np.int32)


def tissue_of(seed: int, step: int) -> Array:
    coarse = np.random.default_rng(seed).random((-(-SIZE[0] // step), -(-SIZE[1] // step))) < 0.97
    return coarse.repeat(step, 0).repeat(step, 1)[: SIZE[0], : SIZE[1]]


def allowed_by(tissue: Array):  # noqa: ANN201
    def allowed(left: Array, top: Array, right: Array, bottom: Array) -> Array:
        boxes = np.broadcast_arrays(left, top, right, bottom)
        flat = [
            tissue[t:b, x:r].all()
            for x, t, r, b in zip(*(v.ravel().tolist() for v in boxes), strict=True)
        ]
        return np.array(flat, np.bool_).reshape(boxes[0].shape)

    return allowed


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    number=st.integers(0, 60),
    window=st.tuples(st.integers(1, 40), st.integers(1, 48)),
    by=st.sampled_from(["density", "ratio"]),
    least=st.integers(1, 6),
    masked=st.booleans(),
    cells=st.sampled_from([1, 3, 64]),
)
def test_exact_hotspots_are_those_of_all_windows(
    seed: int, number: int, window: tuple[int, int], by: str, least: int, masked: bool, cells: int
) -> None:
    pixels, kinds = scattered(seed, number)
    part, whole = kinds == 2, kinds > 0
    wanted = Wanted(window, 4, by, least)
    tissue = tissue_of(seed, 5) if masked else None
    allowed = None if tissue is None else allowed_by(tissue)
    edges = (5.0, 5.0) if masked else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoseg.analysis.exact.CELLS", cells)
        found = exact_hotspots(pixels, part, whole, SIZE, wanted, allowed, edges)
    assert found == brute.hotspots(pixels, part, whole, SIZE, wanted, tissue)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    number=st.integers(0, 80),
    side=st.integers(1, 9),
    bins=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    by=st.sampled_from(["density", "ratio"]),
    least=st.integers(1, 6),
    masked=st.booleans(),
)
def test_grid_hotspots_are_those_of_all_windows_of_bins(
    seed: int, number: int, side: int, bins: tuple[int, int], by: str, least: int, masked: bool
) -> None:
    pixels, kinds = scattered(seed, number)
    grid = DensityGrid.of(pixels, kinds, 2, SIZE, side)
    wanted = Wanted((bins[0] * side, bins[1] * side), 4, by, least)
    tissue = tissue_of(seed, 5) if masked else None
    allowed = None if tissue is None else allowed_by(tissue)
    found = grid_hotspots(grid, (2,), (1, 2), wanted, allowed)
    assert found == brute.hotspots(pixels, kinds == 2, kinds > 0, SIZE, wanted, tissue, side)


def test_exact_is_never_worse_and_finds_what_bins_cut() -> None:
    cluster = np.array([[48, 48], [49, 51], [51, 49], [52, 52]])  # around the corner of four bins
    every = np.ones(4, np.bool_)
    wanted = Wanted((10, 10), 1)
    grid = DensityGrid.of(cluster, np.ones(4, np.int32), 1, (100, 100), 10)
    (coarse,) = grid_hotspots(grid, (1,), (1,), wanted)
    (best,) = exact_hotspots(cluster, every, every, (100, 100), wanted)
    assert (coarse.part, best.part) == (1, 4)
    assert best.box == (43, 43, 53, 53), "the upper, then the left one of those with all four"


def test_hotspots_may_share_rows_and_columns_and_touch() -> None:
    # the original refused all but one of these
    pixels = np.array([[5, 5], [15, 5], [25, 5], [5, 25]])
    grid = DensityGrid.of(pixels, np.ones(4, np.int32), 1, (30, 30), 10)
    found = grid_hotspots(grid, (1,), (1,), Wanted((10, 10), 9))
    assert [one.box[:2] for one in found] == [(0, 0), (10, 0), (20, 0), (0, 20)]
    assert all(one.score == 1 for one in found), "no empty window to fill up the nine"


def test_ratio_needs_a_number_of_nuclei() -> None:
    few = np.array([[2, 2]])
    many = np.array([[25 + i % 5, 25 + i // 5] for i in range(20)])
    pixels = np.concatenate([few, many])
    part = np.r_[True, np.arange(20) < 12]
    whole = np.ones(21, np.bool_)
    size, window = (40, 40), (8, 8)
    (first,) = exact_hotspots(pixels, part, whole, size, Wanted(window, 1, "ratio", 1))
    assert (first.score, first.part) == (1.0, first.whole)
    (first,) = exact_hotspots(pixels, part, whole, size, Wanted(window, 1, "ratio", 20))
    assert (first.part, first.whole) == (12, 20)


def test_a_window_larger_than_the_image_is_none() -> None:
    pixels, every = np.array([[1, 1]]), np.ones(1, np.bool_)
    assert exact_hotspots(pixels, every, every, (9, 9), Wanted((10, 5))) == []
    grid = DensityGrid.of(pixels, np.ones(1, np.int32), 1, (9, 9), 5)
    assert grid_hotspots(grid, (1,), (1,), Wanted((10, 5))) == []
    with pytest.raises(ValueError, match="multiple of the bin, 5 px"):
        grid_hotspots(grid, (1,), (1,), Wanted((7, 5)))


def test_planted_hotspots_are_found_in_their_order() -> None:
    rng = np.random.default_rng(0)
    loose = rng.integers(0, 6000, (2000, 2))
    corners = np.array([[3010, 4020], [5300, 900], [990, 2333]])
    dense = [
        corner + rng.integers(0, 500, (count, 2))
        for corner, count in zip(corners, (900, 700, 500), strict=True)
    ]
    pixels = np.concatenate([loose, *dense])
    every = np.ones(len(pixels), np.bool_)
    found = exact_hotspots(pixels, every, every, (6000, 6000), Wanted((500, 500), 3))
    for one, corner in zip(found, corners, strict=True):
        assert np.abs(np.array(one.box[:2]) - corner).max() <= 15
        assert one.part == brute.inside(pixels, one.box).sum()
    assert found == sorted(found, key=lambda one: -one.score)
    assert isinstance(found[0], Hotspot)
