import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from histoseg.slides import Canvas, cut, pad, tile_grid


@pytest.mark.parametrize(("tile", "margin", "count"), [(256, 46, 49), (270, 95, 169)])
def test_the_counts_of_the_original(tile: int, margin: int, count: int) -> None:
    assert len(tile_grid(1000, 1000, (tile, tile), margin)) == count


def test_the_padding_is_that_of_numpy() -> None:
    image = np.random.default_rng(0).integers(0, 255, (70, 90, 3), np.uint8)
    grid = tile_grid(70, 90, (48, 40), margin=8)
    np.testing.assert_array_equal(
        pad(image, grid), np.pad(image, (*grid.padding, (0, 0)), mode="reflect")
    )


def test_a_tile_is_the_output_with_its_margin() -> None:
    image = np.random.default_rng(0).random((200, 300, 3))
    grid = tile_grid(200, 300, (64, 64), margin=10, overlap=6)
    tiles = cut(pad(image, grid), grid)
    assert tiles.shape == (len(grid.tops), len(grid.lefts), 64, 64, 3)
    y, x = int(grid.tops[2]), int(grid.lefts[3])
    np.testing.assert_array_equal(tiles[2, 3], image[y - 10 : y + 54, x - 10 : x + 54])


def test_tiles_are_views() -> None:
    grid = tile_grid(50, 60, (32, 32), margin=4)
    padded = pad(np.zeros((50, 60, 3)), grid)
    assert np.shares_memory(cut(padded, grid), padded)


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    output=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    margin=st.integers(0, 30),
    overlap=st.integers(0, 30),
)
def test_the_identity_network_gives_the_image_back(
    height: int, width: int, output: tuple[int, int], margin: int, overlap: int
) -> None:
    assume(overlap < min(output))
    tile = (output[0] + 2 * margin, output[1] + 2 * margin)
    grid = tile_grid(height, width, tile, margin, overlap)
    assume(len(grid) < 400)
    image = np.random.default_rng(1).uniform(-1, 1, (height, width, 2)).astype(np.float32)
    tiles = cut(pad(image, grid), grid).reshape(len(grid), *tile, 2)
    canvas = Canvas(height, width, 2, overlap)
    inside = slice(margin, -margin or None)
    for tile_image, (x, y) in zip(tiles, grid.corners_xy.tolist(), strict=True):
        canvas.paste(np.moveaxis(tile_image[inside, inside], -1, 0), x, y)
    result = np.moveaxis(canvas.finish(), 0, -1)
    if overlap:
        np.testing.assert_allclose(result, image, atol=1e-6)
    else:
        np.testing.assert_array_equal(result, image)


def test_one_pixel_fills_its_tile() -> None:
    grid = tile_grid(1, 1, (8, 8), margin=2)
    assert (cut(pad(np.array([[7]]), grid), grid) == 7).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5, (8, 8), 1), "0 x 5 px"),
        ((5, 5, (8, 8), 4), "must be 0 to 3"),
        ((5, 5, (8, 8), -1), "margin of -1"),
        ((5, 5, (8, 8), 1, 6), "cannot overlap by 6"),
        ((5, 5, (8, 8), 1, -1), "cannot overlap by -1"),
    ],
)
def test_an_impossible_grid_is_refused(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tile_grid(*arguments)  # type: ignore[arg-type]


def test_the_image_of_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="the grid is for"):
        pad(np.zeros((5, 6)), tile_grid(6, 5, (4, 4), 1))
