from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from histoseg.losses import cross_entropy, dice, hv_mse, msge

Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(scope="module")
def golden(shared_golden: Path) -> dict[str, Tensor]:
    with np.load(shared_golden / "hovernet" / "losses.npz") as arrays:
        tensors = {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}
    return {k: v.permute(0, 3, 1, 2) if v.ndim == 4 else v for k, v in tensors.items()}


@pytest.mark.parametrize(
    ("loss", "branch", "name"),
    [
        (cross_entropy, "np", "np_bce"),
        (cross_entropy, "tp", "tp_bce"),
        (dice, "np", "np_dice"),
        (dice, "tp", "tp_dice"),
    ],
)
def test_class_losses_equal_the_original(
    golden: dict[str, Tensor], loss: Loss, branch: str, name: str
) -> None:
    value = loss(golden[f"logits_{branch}"], golden[f"{branch}_map"])
    assert value.item() == pytest.approx(golden[name].item(), abs=1e-6)


def test_map_losses_equal_the_original(golden: dict[str, Tensor]) -> None:
    predicted, target, nuclei = golden["pred_hv"], golden["hv"], golden["np_map"]
    assert hv_mse(predicted, target).item() == pytest.approx(golden["hv_mse"].item(), abs=1e-7)
    value = msge(predicted, target, nuclei, axes="reference").item()
    assert value == pytest.approx(golden["hv_msge"].item(), abs=1e-6)


def test_published_numbers_stand_in_the_golden_file(golden: dict[str, Tensor]) -> None:
    assert golden["hv_msge"].item() == pytest.approx(0.173335, abs=1e-6)


def test_cross_entropy_is_torchs_where_nothing_is_clamped() -> None:
    logits, target = torch.randn(2, 3, 5, 4), torch.randint(3, (2, 5, 4))
    expected = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(cross_entropy(logits, target), expected)


def test_cross_entropy_is_bounded() -> None:
    logits = torch.tensor([1000.0, -1000.0]).view(1, 2, 1, 1)
    wrong = cross_entropy(logits, torch.ones(1, 1, 1, dtype=torch.int64))
    assert wrong.item() == pytest.approx(-np.log(1e-7), rel=1e-6)


def test_dice_of_a_perfect_and_of_an_opposite_prediction() -> None:
    target = torch.tensor([[[0, 1], [1, 1]]])
    logits = 200.0 * torch.nn.functional.one_hot(target, 2).permute(0, 3, 1, 2)
    assert dice(logits, target).item() == pytest.approx(0.0, abs=1e-6)
    assert dice(-logits, target).item() == pytest.approx(2.0, abs=1e-3)


def ramps() -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    nuclei = torch.zeros(1, 20, 20)
    nuclei[:, 4:-4, 4:-4] = 1
    return torch.stack([x, y]).unsqueeze(0), nuclei


@pytest.mark.parametrize(("axes", "seen"), [("paper", True), ("reference", False)])
def test_msge_differentiates_along_the_named_axis(axes: str, seen: bool) -> None:
    right, nuclei = ramps()
    error = msge(right, torch.zeros_like(right), nuclei, axes=axes)
    # The filter gives sum a^2 / (a^2 + b^2) for a unit slope: 12 off the centre of 5x5.
    assert error.item() == pytest.approx(144.0 if seen else 0.0, abs=1e-3)
    swapped = msge(right.flip(1), torch.zeros_like(right), nuclei, axes=axes)
    assert swapped.item() == pytest.approx(0.0 if seen else 144.0, abs=1e-3)


def test_a_ramp_in_one_map_gives_the_known_72() -> None:
    right, nuclei = ramps()
    right[:, 1] = 0
    assert msge(right, torch.zeros_like(right), nuclei).item() == pytest.approx(72.0, abs=1e-3)


def all_terms(logits: Tensor, maps: Tensor, target: Tensor) -> Tensor:
    zeros = torch.zeros(maps.shape)
    hv = hv_mse(maps, zeros) + msge(maps, zeros, target)
    return cross_entropy(logits, target) + dice(logits, target) + hv


def test_a_batch_without_nuclei_has_finite_loss_and_gradient() -> None:
    logits = torch.randn(2, 2, 8, 8, requires_grad=True)
    maps = torch.randn(2, 2, 8, 8, requires_grad=True)
    loss = all_terms(logits, maps, torch.zeros(2, 8, 8, dtype=torch.int64))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()
    assert msge(maps, torch.zeros(2, 2, 8, 8), torch.zeros(2, 8, 8)).item() == 0


def test_gradients_are_right() -> None:
    torch.manual_seed(0)
    target = torch.randint(2, (1, 4, 4))
    maps = torch.randn(1, 2, 4, 4, requires_grad=True)
    loss = msge(maps, torch.zeros(1, 2, 4, 4), target)
    loss.backward()
    assert maps.grad is not None
    direction = torch.randn_like(maps)
    step = 1e-2
    values = [
        msge(maps.detach() + s * direction, torch.zeros(1, 2, 4, 4), target) for s in (step, -step)
    ]
    slope = (values[0] - values[1]) / (2 * step)
    torch.testing.assert_close((maps.grad * direction).sum(), slope, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32_also_under_autocast(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits, maps = torch.randn(2, 2, 16, 16).to(dtype), torch.randn(2, 2, 16, 16).to(dtype)
    target = torch.randint(2, (2, 16, 16))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = all_terms(logits, maps, target)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, all_terms(logits.float(), maps.float(), target))


@pytest.mark.parametrize("loss", [cross_entropy, dice])
def test_class_losses_refuse_other_shapes(loss: Loss) -> None:
    with pytest.raises(ValueError, match="expected logits"):
        loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 5, dtype=torch.int64))


def test_map_losses_refuse_other_shapes_and_axes() -> None:
    maps = torch.zeros(1, 2, 4, 4)
    with pytest.raises(ValueError, match="of one shape"):
        hv_mse(maps, maps[:, :1])
    with pytest.raises(ValueError, match="expected nuclei"):
        msge(maps, maps, torch.zeros(1, 4, 5))
    with pytest.raises(ValueError, match="'diagonal' is unknown"):
        msge(maps, maps, torch.zeros(1, 4, 4), axes="diagonal")
