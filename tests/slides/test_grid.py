import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.arrays import ArraySlide
from histoseg.slides import Frame, Grid, TissueMask
from histoseg.slides.box import Box

grids = st.builds(
    lambda height, width, output, margin, cells, halo, overlap: Grid(
        (height, width), output + 2 * margin, margin, cells, halo, min(overlap, output // 2)
    ),
    st.integers(1, 70),
    st.integers(1, 50),
    st.integers(5, 40),
    st.integers(0, 9),
    st.integers(1, 5),
    st.integers(0, 30),
    st.integers(0, 12),
)


def painted(grid: Grid, boxes: list[Box]) -> np.ndarray:
    """How often each pixel of the frame is in one of the boxes."""
    count = np.zeros(grid.size, int)
    frame = Box(0, 0, grid.size[1], grid.size[0])
    for box in boxes:
        count[box.clipped(frame).slices(frame)] += 1
    return count


@given(grids)
@settings(max_examples=40, deadline=None)
def test_outputs_cover_every_pixel_and_once_without_overlap(grid: Grid) -> None:
    count = painted(grid, [grid.output_box(cell) for cell in np.argwhere(np.ones(grid.shape))])
    assert count.min() >= 1
    assert grid.overlap or count.max() == 1


@given(grids)
@settings(max_examples=40, deadline=None)
def test_cores_cover_every_pixel_once_and_tiles_cover_each_region(grid: Grid) -> None:
    regions = list(grid.regions())
    assert (painted(grid, [region.core for region in regions]) == 1).all()
    assert [region.number for region in regions] == list(range(len(regions)))
    for region in regions:
        outputs = painted(grid, [grid.output_box(cell) for cell in region.cells])
        assert outputs[region.box.slices(Box(0, 0, 0, 0))].min() >= 1
        read = grid.read_box(region)
        for cell in region.cells:
            assert grid.input_box(cell).clipped(read) == grid.input_box(cell)
            assert not grid.output_box(cell).clipped(region.box).is_empty


@given(grids, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_wanted_tile_is_in_the_region_that_owns_its_pixels(grid: Grid, seed: int) -> None:
    wanted = np.random.default_rng(seed).random(grid.shape) < 0.2
    regions = {region.number: region for region in grid.regions(wanted)}
    for region in grid.regions():
        kept = [cell for cell in region.cells if wanted[tuple(cell)]]
        in_core = [c for c in kept if not grid.output_box(c).clipped(region.core).is_empty]
        assert (region.number in regions) == bool(in_core)
        if in_core:
            np.testing.assert_array_equal(regions[region.number].cells, kept)


def test_a_tile_does_not_depend_on_regions() -> None:
    tiles = set()
    for cells, halo in ((1, 0), (3, 20), (100, 64)):
        grid = Grid((500, 700), 96, 16, cells, halo)
        found = {tuple(c): grid.input_box(c) for r in grid.regions() for c in r.cells}
        tiles.add(tuple(sorted(found.items())))
    assert len(tiles) == 1
    assert len(next(iter(tiles))) == 8 * 11


def test_only_tiles_with_tissue_are_wanted() -> None:
    slide = ArraySlide(np.zeros((400, 600, 3), np.uint8), mpp=0.25)
    frame = Frame.at(slide, 0.5)
    inside = np.zeros((40, 60), np.bool_)
    inside[11, 25] = True  # level 0: x 250..260, y 110..120; frame: x 125..130, y 55..60
    mask = TissueMask(inside, (10.0, 10.0), slide.size)
    grid = Grid(frame.size, tile=30, margin=5, cells=3, halo=4)
    wanted = grid.wanted(mask, frame)
    assert wanted.shape == (10, 15)
    assert np.argwhere(wanted).tolist() == [[2, 6]]
    (region,) = grid.regions(wanted)
    assert region.core == Box(120, 0, 180, 60)
    assert region.box == Box(116, 0, 184, 64)
    assert region.cells.tolist() == [[2, 6]]
    assert grid.read_box(region) == Box(115, 35, 145, 65)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"size": (0, 5)}, "at least one pixel"),
        ({"margin": 8}, "leaves nothing"),
        ({"overlap": 14}, "cannot overlap"),
        ({"cells": 0}, "expected 1 or more"),
    ],
)
def test_what_covers_nothing_is_refused(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Grid(**({"size": (9, 9), "tile": 16, "margin": 1} | settings_))  # type: ignore[arg-type]


def test_a_mask_of_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"wanted is \(2, 2\), the grid has \(3, 3\)"):
        list(Grid((30, 30), 10, 0).regions(np.ones((2, 2), np.bool_)))
