import cv2
import numpy as np
import pytest

from histoseg.contracts import Array
from histoseg.ops.reinhard import Reinhard


def tissue(seed: int = 0, side: int = 64) -> Array:
    """Pink and purple, float32 in [0, 1]; no glass."""
    rng = np.random.default_rng(seed)
    lab = rng.normal([55, 25, -20], [6, 5, 4], (side, side, 3)).astype(np.float32)
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 0.79)


def in_bytes(image: Array) -> Array:
    return np.rint(255 * image).astype(np.uint8)


def test_statistics_that_were_put_in_are_found() -> None:
    found = Reinhard.of(tissue())
    np.testing.assert_allclose(found.mean, [55, 25, -20], atol=0.6)
    np.testing.assert_allclose(found.std, [6, 5, 4], rtol=0.1)


def test_an_image_takes_mean_and_spread_of_another() -> None:
    image = tissue()
    target = Reinhard(np.array([45.0, 20.0, -25.0]), np.array([5.0, 4.0, 5.0]))
    for got in (
        target.given_to(image, Reinhard.of(image)),
        target.given_to(in_bytes(image), Reinhard.of(in_bytes(image))),
    ):
        found = Reinhard.of(got)
        np.testing.assert_allclose(found.mean, target.mean, atol=0.6)
        np.testing.assert_allclose(found.std, target.std, atol=0.3)


def test_its_own_statistics_change_nothing() -> None:
    image = in_bytes(tissue())
    own = Reinhard.of(image)
    assert np.abs(own.given_to(image, own).astype(int) - image).max() <= 1


def test_glass_changes_nothing_and_stays_as_it_is() -> None:
    wide = np.ones((300, 300, 3), np.float32)
    wide[100:164, 50:114] = tissue()
    own = Reinhard.of(wide)
    np.testing.assert_allclose(own.mean, Reinhard.of(tissue()).mean, atol=1e-3)
    target = Reinhard(np.array([40.0, 30.0, -10.0]), np.array([9.0, 9.0, 9.0]))
    got = target.given_to(in_bytes(wide), own)
    assert got[:100].min() >= 254
    assert np.abs(got[100:164, 50:114].astype(int) - in_bytes(tissue())).mean() > 5


@pytest.mark.parametrize(
    "image", [np.full((64, 64, 3), 255, np.uint8), np.full((5, 5, 3), 90, np.uint8)]
)
def test_an_image_without_tissue_has_none(image: Array) -> None:
    assert Reinhard.of(image) is None


@pytest.mark.parametrize("grey", [0, 120])
def test_one_colour_and_noise_stay_in_range(grey: int) -> None:
    flat = np.full((64, 64, 3), grey, np.uint8)
    own = Reinhard.of(flat)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    target = Reinhard(np.array([90.0, 60, -60]), np.array([40.0, 40, 40]))
    for image in (flat, noise, noise.astype(np.float32) / 255):
        got = target.given_to(image, own)
        assert got.dtype == image.dtype
        assert np.isfinite(got).all()
        assert got.min() >= 0
        assert got.max() <= (255 if image.dtype == np.uint8 else 1)


def test_a_configuration_keeps_it_all() -> None:
    own = Reinhard.of(tissue())
    again = Reinhard.from_plain(**own.plain())
    np.testing.assert_allclose(np.concatenate([again.mean, again.std]), [*own.mean, *own.std])
    for wrong in (([1, 2], [1, 1, 1]), ([1, 2, 3], [1, -1, 1])):
        with pytest.raises(ValueError, match="mean and std of L"):
            Reinhard.from_plain(*wrong)
