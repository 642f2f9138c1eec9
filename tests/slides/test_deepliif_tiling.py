"""DeepLIIF's tiling: golden places, and what an identity network must give."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from histoseg.contracts import Array
from histoseg.slides import deepliif_starts, deepliif_tiled, is_empty_tile, read_image

ROI_7 = (995, 1250)  # (height, width) that its golden places tell; the picture is not at hand
GOLDEN = {
    "ROI_1": ([0, 448, 869], [0, 437]),
    "ROI_127": ([0, 448, 892], [0, 448, 667]),
}


class Identity:
    """Gives back its tiles, and counts them."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, tiles: list[Array]) -> Mapping[str, Array]:
        self.calls.append(len(tiles))
        assert all(tile.shape == (512, 512, 3) for tile in tiles)
        return {"a": np.stack(tiles), "b": 255 - np.stack(tiles)}


BLACK = {"a": (0, 0, 0), "b": (7, 8, 9)}


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_large_region(shared_data: Path, name: str, batch_size: int) -> None:
    image, run = read_image(shared_data / "deepliif_large" / f"{name}.png"), Identity()
    height, width = image.shape[:2]
    across, down = GOLDEN[name]
    assert (deepliif_starts(width, 512), deepliif_starts(height, 512)) == (across, down)
    got = deepliif_tiled(image, run, tile=512, side=512, backgrounds=BLACK, batch_size=batch_size)
    np.testing.assert_array_equal(got["a"], image)
    np.testing.assert_array_equal(got["b"], 255 - image)
    assert sum(run.calls) == len(across) * len(down), "each place once"
    assert max(run.calls) <= batch_size


def test_places_of_a_region_of_which_they_alone_are_known() -> None:
    height, width = ROI_7
    assert deepliif_starts(width, 512) == [0, 448, 738]
    assert deepliif_starts(height, 512) == [0, 448, 483]
    assert deepliif_starts(512, 512) == [0]
    assert deepliif_starts(256 + 1, 256) == [0, 1]


def noise(height: int, width: int) -> Array:
    return np.random.default_rng(0).integers(1, 255, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "size", [(512, 512), (513, 700), (100, 1000), (1000, 60), (30, 20), (1, 1), (1500, 512)]
)
def test_an_identity_gives_the_image(size: tuple[int, int]) -> None:
    image = noise(*size)
    got = deepliif_tiled(image, Identity(), tile=512, side=512, backgrounds=BLACK, batch_size=3)
    if size == (1, 1):  # all of its tile is one colour
        assert got["a"].tolist() == [[[0, 0, 0]]]
        return
    np.testing.assert_array_equal(got["a"], image)


def test_it_is_what_the_plain_loop_gives() -> None:
    """Every start, also those that fall together, pasted as centre, strips and corners."""
    image, tile = noise(700, 1100), 256
    overlap = tile // 16
    centre = tile - 2 * overlap

    def run(tiles: list[Array]) -> Mapping[str, Array]:
        shade = np.linspace(0, 1, 256)[:, None, None]  # depends on the place in the tile
        return {"a": np.stack([(t * shade).astype(np.uint8) for t in tiles])}

    expected = np.zeros_like(image)
    height, width = image.shape[:2]
    for y0 in range(0, height, centre):
        for x0 in range(0, width, centre):
            y, x = min(y0, height - tile), min(x0, width - tile)
            made = run([image[y : y + tile, x : x + tile]])["a"][0]
            top, bottom = (0 if y == 0 else overlap), (0 if y + tile == height else overlap)
            left, right = (0 if x == 0 else overlap), (0 if x + tile == width else overlap)
            rows, columns = slice(top, tile - bottom), slice(left, tile - right)
            expected[y + top : y + tile - bottom, x + left : x + tile - right] = made[rows, columns]
    got = deepliif_tiled(image, run, tile=tile, side=256, backgrounds={"a": (0, 0, 0)})
    np.testing.assert_array_equal(got["a"], expected)


def test_tiles_are_resized_for_the_network_and_back() -> None:
    y, x = np.mgrid[:400, :600]
    image = np.stack([128 + 60 * np.sin(y / 40), 128 + 60 * np.cos(x / 50), (x + y) / 5], axis=-1)
    image = image.astype(np.uint8)
    run = Identity()
    got = deepliif_tiled(image, run, tile=256, side=512, backgrounds=BLACK)
    assert np.abs(got["a"].astype(int) - image).max() <= 2


def test_empty_tiles_are_not_run() -> None:
    image = noise(256, 256 + 224)
    image[:, 224:] = 200
    run = Identity()
    got = deepliif_tiled(image, run, tile=256, side=512, backgrounds=BLACK, batch_size=8)
    assert run.calls == [1]
    assert (got["b"][:, 240:] == BLACK["b"]).all()
    assert (got["a"][:, :200].std(axis=(0, 1)) > 20).all()


def test_what_is_empty() -> None:
    flat = np.full((64, 64, 3), 200, np.uint8)
    some = flat.copy()
    some[:32] = 206  # variance 9
    assert is_empty_tile(flat)
    assert not is_empty_tile(some)
    some[:32] = 205
    assert is_empty_tile(some)
    some[:32], some[32:] = 0, 255
    assert is_empty_tile(some), "black and white do not count"


def test_tiles_without_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or more, 512 for 40x"):
        deepliif_tiled(noise(9, 9), Identity(), tile=0, side=512, backgrounds=BLACK)
