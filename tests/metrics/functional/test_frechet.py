import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance

from histoseg.metrics.functional.frechet import frechet_distance, gaussian, too_few


def features(seed: int, count: int, width: int) -> NDArray[np.float64]:
    """Correlated features with a mean far from 0, as those of a network with ReLUs."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) + 3


def by_sqrtm(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The formula as it is written, with a general matrix root."""
    one, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(one @ other).real
    apart = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    return float(apart + np.trace(one + other - 2 * root))


def test_formula_with_a_general_matrix_root() -> None:
    x, y = features(0, 200, 12), features(1, 300, 12)
    assert frechet_distance(gaussian(x), gaussian(y)) == pytest.approx(by_sqrtm(x, y), rel=1e-9)


def test_torchmetrics_says_the_same_of_the_same_features() -> None:
    x, y = features(2, 90, 10), features(3, 70, 10)
    passed_on = torch.nn.Identity()
    passed_on.num_features = 10
    oracle = FrechetInceptionDistance(feature=passed_on)
    oracle.update(torch.from_numpy(x), real=True)
    oracle.update(torch.from_numpy(y), real=False)
    ours = frechet_distance(gaussian(x), gaussian(y))
    assert ours == pytest.approx(oracle.compute().item(), rel=1e-6)


def test_a_shifted_mean_costs_its_square() -> None:
    x = features(4, 100, 6)
    step = np.arange(6.0)
    ours = frechet_distance(gaussian(x), gaussian(x + step))
    assert ours == pytest.approx(np.square(step).sum())


def test_a_scaled_set_costs_what_independent_gaussians_do() -> None:
    zero, wide = np.zeros(3), np.array([4.0, 9, 16])
    ours = frechet_distance((zero, np.eye(3)), (zero, np.diag(wide)))
    assert ours == pytest.approx(np.square(np.sqrt(wide) - 1).sum())


@pytest.mark.parametrize(("count", "width"), [(300, 10), (8, 40)])
def test_a_set_and_itself_in_another_order(count: int, width: int) -> None:
    x = features(5, count, width)
    size = np.trace(gaussian(x)[1])
    assert frechet_distance(gaussian(x), gaussian(x[::-1])) < 1e-6 * size


def test_singular_covariances_give_the_same_both_ways() -> None:
    x, y = (gaussian(features(seed, 9, 30)) for seed in (6, 7))
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-6)


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="there are 1"):
        gaussian(np.zeros((1, 4)))


@pytest.mark.parametrize(
    ("count", "width", "why"),
    [(64, 64, "64 dimensions"), (65, 64, "fewer than 2048"), (2047, 64, "fewer"), (2048, 64, "")],
)
def test_what_is_too_few(count: int, width: int, why: str) -> None:
    assert bool(why) == bool(too_few(count, width))
    assert why in too_few(count, width)
