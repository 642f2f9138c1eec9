"""The slide that benchmarks run on: its pixels, its truth, and how it is read."""

from collections.abc import Iterator

import numpy as np
import pytest

from fakes import big_slide
from histoseg.slides import Frame, Grid, Slide, TissueFinder, open_slide


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Slide, big_slide.Truth]]:
    path = tmp_path_factory.mktemp("big") / "big.tif"
    big_slide.write(path, 2048, patch=128, share=0.2, seed=1)
    with open_slide(path) as slide:
        yield slide, big_slide.Truth.load(path)


def test_it_is_a_pyramid(made: tuple[Slide, big_slide.Truth]) -> None:
    slide, truth = made
    assert slide.size == truth.size == (2048, 2048)
    assert [level.downsample[0] for level in slide.levels] == [1, 2, 4, 8]
    assert slide.mpp == pytest.approx((0.25, 0.25))
    fine, coarse = (Frame.scaled(slide, s).read(0, 0, 256, 256) for s in (8.0, 8.0001))
    assert np.abs(fine.astype(int) - coarse).mean() < 3


def test_nuclei_go_over_the_seams_and_are_counted_once(
    made: tuple[Slide, big_slide.Truth],
) -> None:
    slide, truth = made
    ids = truth.read(0, 0, 2048, 2048)
    assert truth.count() == len(np.unique(ids)) - 1 > 100
    np.testing.assert_array_equal(truth.read(100, 90, 300, 500), ids[90:590, 100:400])
    assert not ids[np.kron(truth.grid, np.ones((128, 128))) == 0].any()
    # at a seam the same nucleus lies on both sides
    inner = np.argwhere((truth.copies[..., 1] > 0) & (truth.grid > 0))
    for row, column in inner:
        rows = slice(row * 128, row * 128 + 128)
        np.testing.assert_array_equal(ids[rows, column * 128 - 1], ids[rows, column * 128])
    # nuclei are darker than what is around them
    image = slide.read(0, 0, 2048, 2048).mean(-1)
    tissue = np.kron(truth.grid, np.ones((128, 128))) > 0
    assert image[ids > 0].mean() < image[tissue & (ids == 0)].mean() - 20


def test_tiles_go_where_tissue_is(made: tuple[Slide, big_slide.Truth]) -> None:
    slide, truth = made
    mask = TissueFinder(grow_um=8, min_area_mm2=0.0005)(slide)
    tissue = (truth.grid > 0).mean()
    assert tissue * 0.9 < mask.share < tissue * 2
    frame = Frame.at(slide, 0.25)
    grid = Grid(frame.size, tile=96, margin=16, cells=4, halo=32)
    wanted = grid.wanted(mask, frame)
    assert tissue < wanted.mean() < 0.75
    ids = truth.read(0, 0, 2048, 2048)
    seen = np.kron(wanted, np.ones((64, 64)))[:2048, :2048] > 0
    assert (seen & (ids > 0)).sum() > 0.99 * (ids > 0).sum()
