import math

import pytest
import torch

from histoseg.losses import GANLoss, feature_distance, smooth_l1


def test_vanilla_is_the_cross_entropy_of_logits() -> None:
    answers = torch.tensor([[0.0, 2.0], [-1.0, 0.5]])
    chance = 1 / (1 + torch.exp(-answers.double()))
    real, made = -chance.log().mean(), -(1 - chance).log().mean()
    torch.testing.assert_close(GANLoss("vanilla")(answers, real=True).double(), real)
    torch.testing.assert_close(GANLoss("vanilla")(answers, real=False).double(), made)


def test_lsgan_is_the_squared_distance_to_one_and_to_zero() -> None:
    answers = torch.tensor([0.5, -1.0])
    assert GANLoss("lsgan")(answers, real=True).item() == pytest.approx((0.25 + 4) / 2)
    assert GANLoss("lsgan")(answers, real=False).item() == pytest.approx((0.25 + 1) / 2)


def test_smoothing_moves_the_real_side_alone() -> None:
    answers = torch.tensor([0.9])
    assert GANLoss("lsgan", 0.1)(answers, real=True).item() == pytest.approx(0, abs=1e-12)
    assert GANLoss("lsgan", 0.1)(answers, real=False).item() == pytest.approx(0.81)
    smooth = GANLoss("vanilla", 0.25)(torch.tensor([0.0]), real=True).item()
    assert smooth == pytest.approx(math.log(2))


def test_answers_of_16_bits_are_judged_in_32() -> None:
    answers = torch.full((3,), 300.0, dtype=torch.float16)  # its square is more than float16 has
    found = GANLoss("lsgan")(answers, real=False)
    assert found.dtype == torch.float32
    assert found.item() == 90000


def test_what_is_no_loss_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'wgan' is unknown.*lsgan"):
        GANLoss("wgan")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="smoothing is 1"):
        GANLoss("lsgan", 1.0)


def test_smooth_l1_has_its_knee_at_one() -> None:
    made = torch.tensor([[[[0.5, 1.0, 3.0, 0.0]]]])
    expected = (0.125 + 0.5 + 2.5 + 0) / 4
    assert smooth_l1(made, torch.zeros_like(made)).item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="expected alike"):
        smooth_l1(made, torch.zeros(1, 1, 1, 1))


def test_features_are_weighted_and_the_truth_gets_no_gradient() -> None:
    made = [torch.ones(1, 2, 2, 2, requires_grad=True), torch.ones(1, 1, 1, 1)]
    true = [torch.zeros(1, 2, 2, 2, requires_grad=True), torch.full((1, 1, 1, 1), 3.0)]
    found = feature_distance(made, true, [0.5, 0.25])
    assert found.item() == pytest.approx(0.5 * 1 + 0.25 * 2)
    found.backward()
    assert made[0].grad is not None
    assert true[0].grad is None
    with pytest.raises(ValueError, match="2 and 1 feature maps"):
        feature_distance(made, true[:1], [1.0, 1.0])
