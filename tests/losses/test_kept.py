import pytest
import torch
from torch import Tensor

from histoseg.losses import cross_entropy, dice, focal, hv_mse, tversky, unified_focal


def spoiled(tensor: Tensor, keep: Tensor) -> Tensor:
    """Another tensor where nothing counts."""
    where = keep.unsqueeze(1) if tensor.ndim == 4 else keep
    other = 1 - tensor if not tensor.is_floating_point() else tensor + 7
    return torch.where(where, tensor, other)


@pytest.mark.parametrize("loss", [cross_entropy, dice, focal, tversky, unified_focal])
def test_pixels_that_do_not_count_change_nothing(loss: object) -> None:
    logits, target = torch.randn(2, 2, 6, 5), torch.randint(2, (2, 6, 5))
    keep = torch.rand(2, 6, 5) > 0.4
    value = loss(logits, target, keep)  # type: ignore[operator]
    again = loss(spoiled(logits, keep), spoiled(target, keep), keep)  # type: ignore[operator]
    torch.testing.assert_close(value, again)
    everything = torch.ones_like(keep)
    torch.testing.assert_close(loss(logits, target, everything), loss(logits, target))  # type: ignore[operator]


def test_the_mean_is_over_the_pixels_that_count() -> None:
    predicted, target = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    target[0, :, 0, 0], target[0, :, 1, 1] = 1, 5
    keep = torch.tensor([[[True, True], [True, False]]])
    assert float(hv_mse(predicted, target, keep)) == pytest.approx(1 / 3)
    kept = cross_entropy(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2).long(), keep)
    assert float(kept) == pytest.approx(0.6931, abs=1e-4)


def test_nothing_that_counts_gives_no_loss_and_no_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    target, none = torch.zeros(1, 4, 4).long(), torch.zeros(1, 4, 4, dtype=torch.bool)
    (cross_entropy(logits, target, none) + dice(logits, target, none)).backward()
    assert logits.grad is not None
    assert not logits.grad.any()


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected keep \(B, H, W\)"):
        hv_mse(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4).bool())
