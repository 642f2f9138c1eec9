import random

import cv2
import numpy as np
import pytest

from fakes.discs import discs
from histoseg.contracts import Place, Record
from histoseg.data import Augment, CentreTile, RandomTile, centre_tile
from histoseg.data.tile import cut


def record(height: int, width: int, seed: int = 0) -> Record:
    image, instances = discs(seed, height, width, 20)
    semantic = (instances > 0).astype(np.uint8)
    return Record(
        image=image, instances=instances, semantic=semantic, place=Place("a", 100, 200, 0.5)
    )


@pytest.mark.parametrize("top", [-9, -1, 0, 3])
@pytest.mark.parametrize("size", [1, 4, 11])
def test_cut_mirrors_like_numpy(top: int, size: int) -> None:
    array = np.arange(30).reshape(5, 6)
    padded = np.pad(array, 12, mode="reflect")
    rows, columns = slice(12 + top, 12 + top + size), slice(14, 14 + size)
    np.testing.assert_array_equal(cut(array, top, 2, size), padded[rows, columns])


def test_cut_of_one_pixel() -> None:
    np.testing.assert_array_equal(cut(np.array([[[7, 8]]]), -2, -2, 5), np.tile([7, 8], (5, 5, 1)))


def test_cut_is_a_copy() -> None:
    array = np.zeros((4, 4))
    cut(array, 0, 0, 4)[:] = 1
    assert not array.any()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 90)])
def test_centre_tile_moves_its_place(height: int, width: int) -> None:
    source = record(height, width)
    tile = centre_tile(source, 64)
    top, left = (height - 64) // 2, (width - 64) // 2
    assert tile["place"] == ("a", 100 + left, 200 + top, 0.5)
    window = slice(top, top + 64), slice(left, left + 64)
    for key in ("image", "instances", "semantic"):
        np.testing.assert_array_equal(tile[key], source[key][window])
        assert tile[key].dtype == source[key].dtype


def test_centre_tile_keeps_ids_as_annotated() -> None:
    source = Record(image=np.zeros((8, 8, 3), np.uint8), instances=np.zeros((8, 8), np.int32))
    source["instances"][[1, 6], 4] = 7  # one nucleus, parted by what lies on it
    assert set(np.unique(centre_tile(source, 8)["instances"])) == {0, 7}


def test_mirrored_nuclei_get_ids_of_their_own() -> None:
    source = Record(image=np.zeros((8, 8, 3), np.uint8), instances=np.zeros((8, 8), np.int32))
    source["instances"][3, 4] = 7
    tile = centre_tile(source, 16)
    assert np.count_nonzero(tile["instances"]) == 9  # rows -3, 3, 11 and columns -4, 4, 10
    assert sorted(np.unique(tile["instances"])) == [0, *range(7, 7 + 9)]
    assert tile["instances"][1, 0] == 7


def test_without_a_warp_a_tile_is_a_window_of_the_source() -> None:
    source = record(80, 100)
    source["image"] = np.dstack([*np.mgrid[:80, :100], np.zeros((80, 100))]).astype(np.uint8)
    corners = set()
    for seed in range(30):
        tile = Augment({"tile": RandomTile(48)})(source, seed)
        top, left = (int(v) for v in tile["image"][0, 0, :2])
        np.testing.assert_array_equal(
            tile["image"], source["image"][top : top + 48, left : left + 48]
        )
        np.testing.assert_array_equal(
            tile["semantic"], source["semantic"][top : top + 48, left : left + 48]
        )
        corners.add((top, left))
    assert len(corners) > 25
    assert max(top for top, _ in corners) <= 32
    assert max(left for _, left in corners) <= 52


def test_every_corner_can_be_drawn() -> None:
    source = record(34, 33)
    corners = set()
    for seed in range(100):
        step = RandomTile(32)
        step.set_random_state(np.random.default_rng(seed), random.Random(seed))
        params = step.get_params_dependent_on_data({"shape": source["image"].shape}, {})
        corners.add(params["corner"])
    assert corners == {(y, x) for y in range(3) for x in range(2)}


@pytest.mark.parametrize("rotate", [90, -90, 180])
def test_a_right_angle_is_exact(rotate: float) -> None:
    source = record(48, 48)
    tile = Augment({"tile": RandomTile(48, rotate=(rotate, rotate), p_warp=1)})(source, 0)
    for key in ("image", "semantic"):
        np.testing.assert_array_equal(tile[key], np.rot90(source[key], rotate // 90))


def test_scale_magnifies_about_the_centre() -> None:
    source = Record(image=np.zeros((65, 65, 3), np.uint8), instances=np.zeros((65, 65), np.int32))
    source["instances"][28:37, 28:37] = 3
    tile = Augment({"tile": RandomTile(65, scale=(2, 2), p_warp=1)})(source, 0)
    rows, columns = np.nonzero(tile["instances"])
    assert len(rows) == pytest.approx(4 * 81, rel=0.15)
    assert abs(rows.mean() - 32) <= 0.5
    assert abs(columns.mean() - 32) <= 0.5


WARP = {"scale": (0.8, 1.2), "shear": (-8, 8), "rotate": (-180, 180), "p_warp": 1}


def test_image_and_maps_stay_aligned_under_a_warp() -> None:
    """The indicator of the nuclei, warped as an image, is the warped map to within half a pixel."""
    for seed in range(20):
        source = record(90, 110, seed)
        source["image"] = np.repeat(source["semantic"][:, :, None] * 255, 3, axis=2)
        tile = Augment({"tile": RandomTile(64, translate=(-0.1, 0.1), **WARP)})(source, seed)
        seen = tile["image"][:, :, 0] >= 128
        assert np.mean(seen != (tile["semantic"] > 0)) < 0.015
        sure = np.isin(tile["image"][:, :, 0], (0, 255))
        np.testing.assert_array_equal(seen[sure], (tile["semantic"] > 0)[sure])
        np.testing.assert_array_equal(tile["semantic"] > 0, tile["instances"] > 0)


def test_a_warped_tile_of_a_large_image_reads_real_tissue() -> None:
    """In an image that says its own coordinates, no part of the tile is mirrored."""
    rows, columns = np.mgrid[:200, :200]
    source = Record(image=np.dstack([rows, columns, rows]).astype(np.uint8))
    step = RandomTile(64, rotate=(45, 45), p_warp=1)
    step.set_random_state(np.random.default_rng(0), random.Random(0))
    warp = step.get_params_dependent_on_data({"shape": (200, 200, 3)}, {})["warp"]
    warp[:, 2] += 100 - warp @ [31.5, 31.5, 1]  # its centre onto the image's
    tile = step.apply(source["image"], (0, 0), warp)
    y, x = np.mgrid[:64, :64]
    expected = warp[1, 0] * x + warp[1, 1] * y + warp[1, 2]
    assert np.abs(tile[:, :, 0] - expected).max() < 1


def test_nothing_black_beyond_the_image() -> None:
    source = Record(image=np.full((40, 40, 3), 200, np.uint8))
    for seed in range(10):
        assert (Augment({"tile": RandomTile(64, **WARP)})(source, seed)["image"] == 200).all()


def test_one_channel_keeps_its_axis_and_floats_stay() -> None:
    source = Record(image=np.ones((40, 40, 1), np.float32))
    tile = Augment({"tile": RandomTile(32, **WARP)})(source, 0)
    assert tile["image"].shape == (32, 32, 1)
    assert tile["image"].dtype == np.float32


def test_nearest_makes_no_new_values() -> None:
    source = record(64, 64)
    source["image"] = (
        np.where(source["semantic"][:, :, None] > 0, 255, 0).repeat(3, 2).astype(np.uint8)
    )
    tile = Augment({"tile": RandomTile(48, interpolation="nearest", **WARP)})(source, 0)
    assert set(np.unique(tile["image"])) == {0, 255}


@pytest.mark.parametrize("bad", [{"size": 0}, {"scale": (0, 1)}, {"interpolation": "cubic"}])
def test_refuses_impossible_settings(bad: dict) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RandomTile(**{"size": 4, **bad})


def test_the_warp_is_right_on_this_opencv() -> None:
    """A guard: nearest neighbour with an integer shift is exact for the type the ids travel in."""
    ids = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(ids, np.float64([[1, 0, 3], [0, 1, 5]]), (50, 50), flags=flags)
    np.testing.assert_array_equal(moved, ids[5:55, 3:53])


def test_the_centre_of_what_is_ignored_and_of_points() -> None:
    source = record(20, 24)
    source["ignore"] = source["instances"] == 1
    source["points"] = np.array([[2, 1, 1], [1, 4, 2], [21.6, 5, 1], [21.4, 5, 1]], np.float32)
    tile = CentreTile(20)(source, seed=3)
    np.testing.assert_array_equal(tile["ignore"], tile["instances"] == 1)
    assert tile["points"].tolist() == [[0, 1, 1], [pytest.approx(19.4), 5, 1]]
