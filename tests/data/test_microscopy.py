import math
import random

import cv2
import numpy as np
import pytest

from histoseg.contracts import Array
from histoseg.data import LogitLighting, PerspectiveTile


def cut(image: Array, seed: int = 0, mask: Array | None = None, **settings: object) -> Array:
    tile = PerspectiveTile(**settings)  # type: ignore[arg-type]
    tile.set_random_state(np.random.default_rng(seed), random.Random(seed))
    targets = {"image": image} if mask is None else {"image": image, "mask": mask}
    out = tile(**targets)
    return np.asarray(out["image"] if mask is None else out["mask"])


def ramp(height: int = 40, width: int = 50, channels: int = 2) -> Array:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([y, x, *([y + x] * (channels - 2))], axis=-1) / 100


def test_without_changes_it_is_a_crop() -> None:
    image = ramp()
    got = cut(image, size=16, p=0)
    top, left = got[0, 0] * 100
    assert 0 <= top <= 24
    assert 0 <= left <= 34
    steps = np.diff(100 * got, axis=0)[..., 0], np.diff(100 * got, axis=1)[..., 1]
    for step in steps:
        np.testing.assert_allclose(step, 1, atol=0.05)  # OpenCV's grid of 1/32 px


def test_a_small_image_repeats_its_edge_and_a_covered_one_is_resized() -> None:
    image = np.zeros((10, 10, 1), np.float32)
    image[:, 0] = 1
    got = cut(image, size=20, p=0)
    assert (got[:, :5] == 1).all()
    assert (got[:, 7:] == 0).all()
    covered = cut(image, size=20, p=0, cover=True)
    assert covered[:, 0].min() == 1
    assert (covered[:, 4:] == 0).all()


def test_rotation_turns_counter_clockwise() -> None:
    image = np.zeros((21, 21, 1), np.float32)
    image[10, 18] = 1  # to the right of the middle
    got = cut(image, size=21, rotate=(90, 90), p=1)
    assert np.unravel_index(got[..., 0].argmax(), (21, 21)) == (2, 10)


def test_zoom_enlarges() -> None:
    image = np.zeros((41, 41, 1), np.float32)
    image[15:26, 15:26] = 1
    assert cut(image, size=41, zoom=(2, 2), p=1).sum() == pytest.approx(4 * 121, rel=0.1)


def test_warp_makes_sides_longer() -> None:
    image = np.zeros((40, 40, 1), np.float32)
    image[8:32, 8:32] = 1
    got = cut(image, size=40, warp=(0.3, 0.3), p=1)  # all four sides alike: a zoom out
    assert got.sum() < 0.7 * image.sum()
    assert cut(image, size=40, warp=(-0.3, -0.3), p=1).sum() > 1.4 * image.sum()


def test_symmetries_are_the_eight_of_the_square() -> None:
    image = np.arange(9, dtype=np.float32).reshape(3, 3, 1)
    seen = {
        tuple(cut(image, seed, size=3, p=0, symmetry=True).round().ravel().astype(int).tolist())
        for seed in range(80)
    }
    plain = image[..., 0].astype(int)
    wanted = {
        tuple(np.rot90(a, k).ravel().tolist()) for a in (plain, plain[:, ::-1]) for k in range(4)
    }
    assert seen == wanted


def test_many_channels_and_maps_go_the_same_way() -> None:
    image = ramp(channels=7)
    settings = {"size": 24, "rotate": (-10, 10), "warp": (-0.2, 0.2), "symmetry": True, "p": 1}
    got = cut(image, 5, **settings)
    assert got.shape == (24, 24, 7)
    np.testing.assert_allclose(got[..., 6], got[..., 2], atol=1e-6)
    np.testing.assert_allclose(got[..., 0] + got[..., 1], got[..., 2], atol=1e-4)
    half = (image[..., 0] > 0.2).astype(np.uint8) * 3
    mask = cut(image, 5, mask=half, **settings)
    assert set(np.unique(mask)) <= {0, 3}
    assert np.mean((got[..., 0] > 0.2) == (mask > 0)) > 0.95


def lit(image: Array, **settings: object) -> Array:
    light = LogitLighting(**settings)  # type: ignore[arg-type]
    light.set_random_state(np.random.default_rng(0), random.Random(0))
    return np.asarray(light(image=image)["image"])


def logit(x: Array) -> Array:
    return np.log(x / (1 - x))


def test_light_adds_to_the_logit_and_contrast_multiplies_it() -> None:
    image = np.linspace(0.01, 0.99, 48, dtype=np.float32).reshape(4, 4, 3)
    got = lit(image, brightness=(0.6, 0.6), contrast=(1.25, 1.25), p=1)
    wanted = 1.25 * (logit(image) + math.log(0.6 / 0.4))
    np.testing.assert_allclose(logit(got), wanted, atol=2e-4)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(lit(image, p=0), image)


def test_black_and_white_stay_numbers() -> None:
    image = np.array([[[0.0], [1.0]]], np.float32)
    got = lit(image, brightness=(0.4, 0.4), contrast=(0.8, 0.8), p=1)
    assert 0 < got[0, 0, 0] < 1e-4
    assert 1 - 1e-4 < got[0, 1, 0] <= 1


def test_pictures_of_eight_bits_are_lit_alike() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    got = lit(image, brightness=(0.6, 0.6), contrast=(0.8, 0.8), p=1)
    fine = lit(image.astype(np.float32) / 255, brightness=(0.6, 0.6), contrast=(0.8, 0.8), p=1)
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - cv2.convertScaleAbs(fine, alpha=255)).max() <= 1


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="warp"):
        PerspectiveTile(8, warp=(-1, 1))
    with pytest.raises(ValueError, match="brightness"):
        LogitLighting(brightness=(0, 0.5))
