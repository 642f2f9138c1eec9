from collections.abc import Callable

import numpy as np
import pytest
from skimage.color import rgb2hed

from histoseg.contracts import Array
from histoseg.ops.stain import STAIN_VECTORS, hed_from_rgb, od_to_rgb, rgb_from_hed, rgb_to_od


def test_vectors_are_unit_and_of_the_right_hue() -> None:
    np.testing.assert_allclose(np.linalg.norm(STAIN_VECTORS, axis=1), 1, atol=1e-6)
    hematoxylin, eosin, dab = rgb_from_hed(np.eye(3, dtype=np.float32))
    assert hematoxylin.argmax() == 2  # bluest
    assert eosin.argmin() == 1  # pink lets least green through
    assert dab.argmin() == 2
    assert dab.argmax() == 0  # brown


def test_od_of_uint8_equals_od_of_light() -> None:
    levels = np.arange(256, dtype=np.uint8)
    light = levels.astype(np.float32) / 255
    np.testing.assert_allclose(rgb_to_od(levels), rgb_to_od(light), atol=1e-5)
    np.testing.assert_allclose(od_to_rgb(rgb_to_od(levels))[1:], light[1:], atol=1e-6)


def test_a_half_density_squares_back() -> None:
    np.testing.assert_allclose(od_to_rgb(np.array([0.0, np.log(4.0)])), [1, 0.25], atol=1e-6)
    assert od_to_rgb(np.array([-3.0])) == 1


def test_mixing_is_the_inverse_of_unmixing() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(1, 256, (17, 23, 3), dtype=np.uint8)
    back = rgb_from_hed(hed_from_rgb(image))
    # Colours outside the cone of the three dyes have negative amounts, and still come back.
    np.testing.assert_allclose(back * 255, image, atol=2e-2)
    assert back.dtype == np.float32


def test_unmixing_equals_scikit_image_up_to_units() -> None:
    rng = np.random.default_rng(1)
    amounts = rng.uniform(0.05, 0.8, (9, 9, 3)).astype(np.float32)
    image = rgb_from_hed(amounts)
    theirs = rgb2hed(image) * -np.log(1e-6)
    lengths = np.linalg.norm([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], axis=1)
    np.testing.assert_allclose(theirs * lengths, amounts, atol=2e-3)


@pytest.mark.parametrize("function", [hed_from_rgb, rgb_from_hed])
def test_channels_must_be_last(function: Callable[[Array], Array]) -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\), got \(3, 8, 8\); move channels last"):
        function(np.zeros((3, 8, 8), dtype=np.float32))
