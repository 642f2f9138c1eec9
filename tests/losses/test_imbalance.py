"""Focal, Tversky and unified focal loss: what they equal, their slopes, their limits."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from histoseg.losses import cross_entropy, dice, focal, tversky, unified_focal

Loss = Callable[..., Tensor]
ALL = [
    partial(focal, gamma=0),
    partial(focal, gamma=0.5),
    focal,
    tversky,
    partial(tversky, background=True),
    unified_focal,
    partial(unified_focal, gamma=0, weight=1),
    partial(unified_focal, weight=0),
]


def pair(classes: int, dtype: torch.dtype = torch.float32, side: int = 5) -> tuple[Tensor, Tensor]:
    logits = 2 * torch.randn(2, classes, side, side + 1, dtype=dtype)
    return logits, torch.randint(classes, (2, side, side + 1))


@pytest.mark.parametrize("classes", [2, 5])
def test_focal_without_gamma_is_cross_entropy(classes: int) -> None:
    logits, target = pair(classes)
    torch.testing.assert_close(focal(logits, target, gamma=0), cross_entropy(logits, target))


@pytest.mark.parametrize("classes", [2, 5])
def test_tversky_with_halves_is_dice(classes: int) -> None:
    logits, target = pair(classes)
    torch.testing.assert_close(
        tversky(logits, target, alpha=0.5, beta=0.5, background=True), dice(logits, target)
    )


def test_unified_focal_without_gamma_is_weighted_cross_entropy_and_mean_tversky() -> None:
    logits, target = pair(4)
    loss = unified_focal(logits, target, weight=0.3, delta=0.5, gamma=0)
    expected = 0.3 * dice(logits, target) / 4 + 0.7 * 0.5 * cross_entropy(logits, target)
    torch.testing.assert_close(loss, expected)


def test_focal_is_its_formula() -> None:
    logits, target = pair(3, torch.float64)
    p = logits.softmax(1)
    alpha = [0.2, 0.3, 0.5]
    total = 0.0
    for b, y, x in torch.cartesian_prod(torch.arange(2), torch.arange(5), torch.arange(6)):
        c = int(target[b, y, x])
        total -= alpha[c] * (1 - p[b, c, y, x]) ** 3 * p[b, c, y, x].log()
    assert focal(logits, target, gamma=3, alpha=alpha).item() == pytest.approx(
        float(total) / 60, rel=1e-9
    )


def test_unified_focal_of_two_classes_is_the_authors_formula() -> None:
    """Their asymmetric loss, with sums over the batch and our smoothing."""
    logits, target = pair(2, torch.float64)
    p, t = logits.softmax(1), torch.nn.functional.one_hot(target, 2).movedim(-1, 1).double()
    delta, gamma = 0.6, 0.5
    back = (1 - delta) * (1 - p[:, 0]) ** gamma * -(t[:, 0] * p[:, 0].log())
    fore = delta * -(t[:, 1] * p[:, 1].log())
    hits, misses, alarms = ((a * b).sum((0, 2, 3)) for a, b in ((t, p), (t, 1 - p), (1 - t, p)))
    index = (hits + 5e-4) / (hits + delta * misses + (1 - delta) * alarms + 5e-4)
    overlap = (1 - index[0] + (1 - index[1]) ** (1 - gamma)) / 2
    expected = 0.5 * overlap + 0.5 * (back + fore).mean()
    torch.testing.assert_close(unified_focal(logits, target), expected)


def test_a_miss_costs_more_than_a_false_alarm() -> None:
    truth = torch.zeros(1, 8, 8, dtype=torch.int64)
    truth[:, :4] = 1
    more, less = truth.clone(), truth.clone()
    more[:, 4] = 1
    less[:, 3] = 0

    def of(said: Tensor, **settings: float) -> float:
        return float(
            tversky(50.0 * torch.nn.functional.one_hot(said, 2).movedim(-1, 1), truth, **settings)
        )

    assert of(truth) == pytest.approx(0, abs=1e-5)
    assert of(more) == pytest.approx(1 - 32 / (32 + 0.3 * 8), rel=1e-3)
    assert of(less) == pytest.approx(1 - 24 / (24 + 0.7 * 8), rel=1e-3)
    assert of(less, alpha=0, beta=0) == pytest.approx(0)


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("classes", [2, 4])
def test_gradients_are_right(loss: Loss, classes: int) -> None:
    logits, target = pair(classes, torch.float64, side=3)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits.requires_grad_(True))


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("size", [0.0, 1e2, 1e4])
def test_extremes_have_finite_losses_and_gradients(loss: Loss, size: float) -> None:
    """Certain and right, certain and wrong, undecided, and with classes that are nowhere."""
    for sign in (1, -1):
        target = torch.randint(2, (1, 6, 6))
        logits = sign * size * (2.0 * torch.nn.functional.one_hot(target, 4).movedim(-1, 1) - 1)
        logits.requires_grad_(True)
        value = loss(logits, target)
        value.backward()
        assert value.isfinite()
        assert value >= 0
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_a_pixel_that_is_entirely_wrong_still_learns_with_focal() -> None:
    logits = torch.tensor([60.0, -60.0]).view(1, 2, 1, 1).requires_grad_(True)
    focal(logits, torch.ones(1, 1, 1, dtype=torch.int64)).backward()
    assert logits.grad is not None
    assert logits.grad.abs().min() > 0.9


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32_also_under_autocast(
    loss: Loss, dtype: torch.dtype
) -> None:
    logits, target = pair(3, side=64)
    logits = (10 * logits).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = loss(logits, target)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, loss(logits.float(), target))


@pytest.mark.parametrize("loss", [focal, tversky, unified_focal])
def test_other_shapes_are_refused(loss: Loss) -> None:
    with pytest.raises(ValueError, match="expected logits"):
        loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 5, dtype=torch.int64))


def test_parameters_out_of_range_are_refused() -> None:
    logits, target = pair(2)
    with pytest.raises(ValueError, match="gamma is -1"):
        focal(logits, target, gamma=-1)
    with pytest.raises(ValueError, match="alpha has 3 values for 2 classes"):
        focal(logits, target, alpha=[1, 2, 3])
    with pytest.raises(ValueError, match="must not be negative"):
        tversky(logits, target, alpha=-0.1)
    with pytest.raises(ValueError, match=r"gamma 1 in \[0, 1\)"):
        unified_focal(logits, target, gamma=1)


@pytest.mark.parametrize("loss", ALL)
def test_pixels_that_do_not_count_change_nothing(loss: Loss) -> None:
    logits, target = pair(3, side=6)
    keep = torch.rand(target.shape) < 0.5
    other = torch.where(keep.unsqueeze(1), logits, torch.randn_like(logits))
    wrong = torch.where(keep, target, (target + 1) % 3)
    torch.testing.assert_close(loss(other, wrong, keep), loss(logits, target, keep))
    everything = torch.ones_like(keep)
    torch.testing.assert_close(loss(logits, target, everything), loss(logits, target))
    assert loss(logits, target, ~everything).isfinite()
    with pytest.raises(ValueError, match="expected keep"):
        loss(logits, target, keep[:1])


@pytest.mark.parametrize("loss", [cross_entropy, dice, focal, tversky, unified_focal])
@pytest.mark.parametrize("given", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_half_precision_is_widened_and_double_kept(loss: Loss, given: torch.dtype) -> None:
    logits, target = pair(3)
    value = loss(logits.to(given), target)
    assert value.dtype == (torch.float64 if given == torch.float64 else torch.float32)
    torch.testing.assert_close(
        value.double(), loss(logits.to(given).double(), target), atol=1e-5, rtol=1e-5
    )
