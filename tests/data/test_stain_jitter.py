import random

import numpy as np
import pytest
from skimage.color import rgb2hed

from histoseg.data import HEDJitter

TILE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
SAME = {"a": np.ones(3), "b": np.zeros(3)}


def test_a_one_and_b_zero_change_nothing() -> None:
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    for tile in (TILE, every):
        np.testing.assert_array_equal(HEDJitter(p=1).apply(tile, **SAME), tile)


def test_one_stain_alone_changes() -> None:
    """Unmixed by scikit-image, only hematoxylin moves, by the shift that was asked."""
    tile = (TILE // 2 + 100).astype(np.float32) / 255
    shift = {"a": np.ones(3), "b": np.array([0.1, 0, 0])}
    moved = HEDJitter(p=1).apply(tile, **shift)
    unit = -np.log(1e-6)  # scikit-image counts densities in units of this
    stains = np.linalg.inv([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
    before, after = (-np.log(x.reshape(-1, 3)) @ stains for x in (tile, moved))
    np.testing.assert_allclose((after - before)[:, 0], 0.1, atol=0.02)
    np.testing.assert_allclose((after - before)[:, 1:], 0, atol=0.02)
    np.testing.assert_allclose(
        rgb2hed(moved)[..., 0].ravel() * unit, after[:, 0].clip(0), atol=1e-3
    )


def test_bytes_and_floats_agree() -> None:
    draw = {"a": np.array([1.1, 0.9, 1.05]), "b": np.array([0.05, -0.03, 0.02])}
    as_bytes = HEDJitter(p=1).apply(TILE, **draw)
    as_floats = HEDJitter(p=1).apply(TILE.astype(np.float32) / 255, **draw)
    assert as_floats.dtype == np.float32
    np.testing.assert_array_equal(as_bytes, np.rint(as_floats * 255))


def test_more_stain_is_darker() -> None:
    more = HEDJitter(p=1).apply(TILE, a=np.full(3, 1.2), b=np.zeros(3))
    assert (more <= TILE).all()


def test_draws_stay_in_range() -> None:
    step = HEDJitter(scale=0.2, shift=0.1, p=1)
    step.set_random_state(np.random.default_rng(0), random.Random(0))
    a, b = (np.array([step.get_params()[key] for _ in range(200)]) for key in "ab")
    assert 0.8 <= a.min() < 0.82
    assert 1.18 < a.max() <= 1.2
    assert -0.1 <= b.min() < -0.09
    assert abs(np.corrcoef(a.T)[0, 1]) < 0.3


def test_refuses_other_channels_and_ranges() -> None:
    with pytest.raises(ValueError, match="got shape"):
        HEDJitter(p=1).apply(TILE[:, :, :1], **SAME)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        HEDJitter(scale=2)


def test_bytes_are_those_of_the_formula() -> None:
    """Every step in float64: the quick way may round a half the other way, and no more."""
    hed = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.uniform(0.8, 1.2, 3), rng.uniform(-0.2, 0.2, 3)
        stains = -np.log((TILE + 1.0) / 256) @ np.linalg.inv(hed)
        light = 256 * np.exp(-((stains * a + b) @ hed)) - 1
        moved = HEDJitter(p=1).apply(TILE, a=a, b=b)
        assert np.abs(moved - light.clip(0, 255)).max() < 0.501
