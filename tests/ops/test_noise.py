import numpy as np
import pytest

from histoseg.ops.noise import fibre_noise, jittered_grid, smooth_noise, white_noise


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.mark.parametrize("grain", [0.8, 1.5, 3.0, 9.3])
def test_smooth_noise_is_a_unit_field_of_its_grain(grain: float) -> None:
    field = smooth_noise(generator(), 400, 500, grain)
    assert field.shape == (400, 500)
    assert field.dtype == np.float32
    assert abs(field.mean()) < 0.12
    assert 0.85 < field.std() < 1.15
    # A blur of sigma g gives the correlation exp(-d^2 / 4 g^2): 0.37 at d = 2 g.
    shift = round(2 * grain)
    near = np.corrcoef(field[:, shift:].ravel(), field[:, :-shift].ravel())[0, 1]
    assert near == pytest.approx(np.exp(-(shift**2) / (4 * grain**2)), abs=0.15)


def test_smooth_noise_fills_any_size() -> None:
    assert smooth_noise(generator(), 1, 7, 50.0).shape == (1, 7)


def test_too_fine_a_grain_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 0\.6 pixels, got 0\.3"):
        smooth_noise(generator(), 8, 8, 0.3)


def test_white_noise_is_white() -> None:
    field = white_noise(generator(), 300, 300)
    assert field.std() == pytest.approx(0.99, abs=0.02)
    assert abs(np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1]) < 0.02


def test_fibres_run_along_their_flow() -> None:
    y, x = np.mgrid[0:200, 0:200].astype(np.float32)
    field = fibre_noise(generator(), x / 2, y / 30)
    across = np.abs(np.diff(field, axis=1)).mean()
    assert across > 5 * np.abs(np.diff(field, axis=0)).mean()


def test_jittered_grid_covers_the_box_at_its_spacing() -> None:
    points = jittered_grid(generator(), (-50, -50, 250, 150), 10.0)
    inside = np.all((points > (-40, -40)) & (points < (240, 140)), axis=1)
    assert inside.sum() == pytest.approx(280 * 180 / 100, rel=0.08)
    assert len(np.unique(points[:, 0])) == len(points)
