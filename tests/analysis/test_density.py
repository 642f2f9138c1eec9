import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoseg.analysis import DensityGrid, integral_image, window_sums
from histoseg.analysis.density import pixels_of

from . import brute


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), number=st.integers(0, 50), side=st.integers(1, 50))
def test_every_nucleus_is_counted_once_in_its_bin(seed: int, number: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    size = (40, 33)
    xy = rng.uniform(-0.5, np.array(size[::-1]) - 0.5, (number, 2))
    xy[::3] = xy[::3].round()  # pixel centres
    kinds = rng.integers(0, 3, number).astype(np.int32)
    grid = DensityGrid.of(xy, kinds, 2, size, side)
    np.testing.assert_array_equal(grid.counts, brute.counts(xy, kinds, 2, size, side))
    assert grid.counts.sum() == number
    assert grid.area().sum() == size[0] * size[1]


def test_the_pixel_of_a_point_is_the_one_it_lies_in() -> None:
    # np.round would move 0.5 and 2.5 to the even neighbour
    assert pixels_of([[-0.5, 0.49], [0.5, 1.5], [2.5, 99.4]]).tolist() == [[0, 0], [1, 2], [3, 99]]


def test_planted_density_is_measured_also_at_the_border() -> None:
    every_ten = np.stack(np.meshgrid(np.arange(5, 505, 10), np.arange(5, 405, 10)), -1)
    xy = every_ten.reshape(-1, 2).astype(np.float64)
    kinds = 1 + (np.arange(len(xy)) % 4 == 0).astype(np.int32)
    grid = DensityGrid.of(xy, kinds, 2, (400, 500), 40)
    for sigma in (0.0, 30.0, 200.0):
        density = grid.density((1, 2), sigma)
        np.testing.assert_allclose(density, 0.01, rtol=0.2 if sigma == 0 else 0.1)
        assert density.shape == (10, 13), "the last column is half a bin"
    share = grid.ratio((2,), (1, 2), sigma_px=80.0)
    np.testing.assert_allclose(share, 0.25, rtol=0.2)


def test_smoothing_keeps_the_number_away_from_the_border() -> None:
    grid = DensityGrid.of(np.array([[500.0, 500.0]]), np.array([1]), 1, (1000, 1000), 20)
    density = grid.density((1,), 60.0)
    assert (density * grid.area()).sum() == pytest.approx(1, rel=1e-6)
    assert density.argmax() == 25 * 50 + 25


def test_a_share_of_too_few_is_unknown() -> None:
    grid = DensityGrid.of(
        np.array([[1, 1], [11, 1], [12, 1]]), np.array([1, 1, 2]), 2, (10, 30), 10
    )
    share = grid.ratio((2,), (1, 2), least=2)
    assert np.isnan(share[0, [0, 2]]).all()
    assert share[0, 1] == 0.5


def test_a_smoothed_share_has_the_nuclei_around_behind_it() -> None:
    xy = np.random.default_rng(0).uniform(0, 999, (400, 2))  # 1 in 6 bins
    kinds = np.where(np.arange(400) % 2, 1, 2)
    grid = DensityGrid.of(xy, kinds, 2, (1000, 1000), 20)
    assert np.isnan(grid.ratio((2,), (1, 2), least=5)).mean() > 0.99
    share = grid.ratio((2,), (1, 2), least=5, sigma_px=100.0)
    assert np.isfinite(share).all()
    assert abs(share.mean() - 0.5) < 0.1


def test_nuclei_outside_and_bins_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the image"):
        DensityGrid.of(np.array([[5.0, 9.6]]), np.array([1]), 1, (10, 10), 5)
    with pytest.raises(ValueError, match="take larger ones"):
        DensityGrid.of(np.zeros((0, 2)), np.zeros(0, int), 3, (100_000, 100_000), 1)


@given(seed=st.integers(0, 1000), rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_window_sums_are_sums_of_windows(seed: int, rows: int, columns: int) -> None:
    values = np.random.default_rng(seed).integers(0, 5, (7, 8))
    sums = window_sums(integral_image(values), rows, columns)
    if rows > 7 or columns > 8:
        assert sums.size == 0
        return
    windows = np.lib.stride_tricks.sliding_window_view(values, (rows, columns))
    np.testing.assert_array_equal(sums, windows.sum(axis=(2, 3)))
