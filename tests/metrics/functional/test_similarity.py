from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from histoseg.metrics.functional.similarity import mse, psnr, similarity, ssim

GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
WINDOWS = {"gaussian": GAUSSIAN, "uniform": {"win_size": 7}}


def pictures(
    seed: int, height: int = 33, width: int = 40, channels: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A smooth picture with white glass, and a noisy copy, both in [0, 1]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 7
    waves = np.stack([np.sin(x * (1 + c)) * np.cos(y - c) for c in range(channels)], axis=-1)
    image = np.clip(0.7 + 0.5 * waves, 0, 1)
    return image, np.clip(image + rng.normal(0, 0.1, image.shape), 0, 1)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_scikit_image(window: str, channels: int) -> None:
    image, pred = pictures(0, channels=channels)
    oracle = structural_similarity(image, pred, data_range=1, channel_axis=-1, **WINDOWS[window])
    assert ssim(image, pred, window) == pytest.approx(oracle, abs=1e-12)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_single_precision_is_enough_on_dark_and_on_white_ground(window: str, level: float) -> None:
    rng = np.random.default_rng(0)
    image = np.clip(level + 0.01 * rng.normal(size=(64, 64, 3)), 0, 1)
    image[20:40, 20:40] = rng.random((20, 20, 3))
    pred = np.clip(image + 0.01 * rng.normal(size=image.shape), 0, 1)
    image, pred = image.astype(np.float32), pred.astype(np.float32)
    exact = similarity(image.astype(np.float64), pred.astype(np.float64), window)
    assert similarity(image, pred, window) == pytest.approx(exact, rel=1e-6, abs=2e-6)


def test_a_picture_of_one_plane_needs_no_axis_of_channels() -> None:
    image, pred = pictures(1, channels=1)
    assert similarity(image[..., 0], pred[..., 0]) == similarity(image, pred)


def test_eight_bits_at_range_255_say_the_same() -> None:
    image, pred = ((255 * side).astype(np.uint8) for side in pictures(2))
    oracle = structural_similarity(image, pred, channel_axis=-1)  # as BCI's tables are made
    assert ssim(image / 255, pred / 255, "uniform") == pytest.approx(oracle, abs=1e-12)
    oracle = peak_signal_noise_ratio(image, pred)
    assert psnr(image / 255, pred / 255) == pytest.approx(oracle, abs=1e-9)


@given(st.floats(0.01, 1))
def test_known_psnr(step: float) -> None:
    flat = np.zeros((8, 8, 3))
    assert mse(flat, flat + step) == pytest.approx(step**2)
    assert psnr(flat, flat + step) == pytest.approx(-20 * np.log10(step))


def test_ssim_of_flat_pictures_is_the_term_of_light_alone() -> None:
    dark, light = np.full((16, 16), 0.2), np.full((16, 16), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(dark, light) == pytest.approx(expected)


def test_equal_pictures() -> None:
    image, _ = pictures(3)
    assert similarity(image, image) == {"ssim": 1, "psnr": 100, "mse": 0}


def test_a_window_fits_once_into_a_picture_of_its_size() -> None:
    image, pred = pictures(4, 11, 11)
    assert np.isfinite(ssim(image, pred))
    with pytest.raises(ValueError, match="smaller than SSIM's window of 11"):
        ssim(image[:10], pred[:10])


@pytest.mark.parametrize("name", ["22_2", "6_2"])
def test_real_segmentations_in_single_precision(shared_data: Path, name: str) -> None:
    folder = shared_data / "deepliif_sample"
    paths = (
        folder / "test_groundtruth" / f"{name}.png",
        folder / "test_DeepLIIF_results" / f"{name}_fake_B_5.png",
    )
    image, pred = (np.asarray(Image.open(path).convert("RGB")) for path in paths)
    oracle = structural_similarity(
        image / 255, pred / 255, data_range=1, channel_axis=-1, **GAUSSIAN
    )
    found = similarity(*(np.float32(side) / np.float32(255) for side in (image, pred)))
    assert found["ssim"] == pytest.approx(oracle, abs=2e-6)
    assert found["psnr"] == pytest.approx(peak_signal_noise_ratio(image, pred), abs=1e-5)


def test_pictures_of_different_size_are_refused() -> None:
    image, pred = pictures(5)
    with pytest.raises(ValueError, match="of one size"):
        similarity(image, pred[1:])
