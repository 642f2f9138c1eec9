import numpy as np
import pytest

from histoseg.metrics.functional.densities import DENSITIES, mean_densities
from histoseg.ops.stain import STAIN_VECTORS, od_to_rgb


@pytest.mark.parametrize("dye", [0, 1, 2])
def test_a_pure_dye_is_told_from_the_others(dye: int) -> None:
    flat = np.broadcast_to(od_to_rgb(0.8 * np.log(10) * STAIN_VECTORS[dye]), (4, 5, 3))
    found = dict(zip(DENSITIES, mean_densities(flat), strict=True))
    for number, name in enumerate(DENSITIES[:3]):
        assert found[name] == pytest.approx(0.8 * (number == dye), abs=1e-5)
    for channel, name in enumerate(DENSITIES[3:]):
        assert found[name] == pytest.approx(0.8 * STAIN_VECTORS[dye, channel], abs=1e-5)


def test_the_mean_is_of_densities_not_of_light() -> None:
    image = np.array([[[1.0, 1.0, 1.0], [0.01, 0.01, 0.01]]])
    assert mean_densities(image)[3:] == pytest.approx(1.0, abs=1e-6)


def test_eight_bits_say_the_same() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    assert mean_densities(image) == pytest.approx(mean_densities(image / 255), abs=1e-6)


def test_gray_is_refused() -> None:
    with pytest.raises(ValueError, match="RGB"):
        mean_densities(np.zeros((4, 4, 1)))
