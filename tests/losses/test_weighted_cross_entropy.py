import pytest
import torch
from torch.nn import functional

from histoseg.losses import weighted_cross_entropy


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 3, 5, 4), torch.randint(0, 3, (2, 5, 4))


@pytest.mark.parametrize("penalty", [0.01, 1, 1000, [0.5, 3.0]])
def test_it_is_the_weighted_mean_of_torch(penalty: float | list[float]) -> None:
    logits, target = drawn()
    cells = penalty if isinstance(penalty, list) else [penalty] * 2
    wanted = functional.cross_entropy(logits, target, torch.tensor([1.0, *cells]))
    torch.testing.assert_close(weighted_cross_entropy(logits, target, penalty=penalty), wanted)


def test_by_hand() -> None:
    logits = torch.tensor([0.25, 0.75]).log().view(1, 2, 1, 1).expand(1, 2, 1, 2)
    target = torch.tensor([[[0, 1]]])
    a, b = torch.tensor(0.25).log(), torch.tensor(0.75).log()
    got = weighted_cross_entropy(logits, target, penalty=10)
    torch.testing.assert_close(got, -(a + 10 * b) / 11)


def test_pixels_that_do_not_count_change_nothing() -> None:
    logits, target = drawn()
    keep = torch.rand(2, 5, 4) > 0.4
    got = weighted_cross_entropy(logits, target, keep, penalty=3)
    spoiled = torch.where(keep.unsqueeze(1), logits, torch.full_like(logits, 50.0))
    torch.testing.assert_close(weighted_cross_entropy(spoiled, target, keep, penalty=3), got)
    alone = functional.cross_entropy(
        logits.movedim(1, -1)[keep], target[keep], torch.tensor([1.0, 3, 3])
    )
    torch.testing.assert_close(got, alone)
    nothing = weighted_cross_entropy(logits, target, torch.zeros(2, 5, 4, dtype=torch.bool))
    assert nothing == 0


def test_balanced_classes_weigh_alike_however_rare() -> None:
    logits = torch.randn(1, 2, 1, 4)
    target = torch.tensor([[[1, 0, 0, 0]]])
    log_p = logits.log_softmax(1)[0, :, 0]
    wanted = -(log_p[1, 0] + log_p[0, 1:].mean()) / 2
    torch.testing.assert_close(weighted_cross_entropy(logits, target, balanced=True), wanted)
    only = torch.zeros_like(target)  # no cell: a number, and that of background
    torch.testing.assert_close(
        weighted_cross_entropy(logits, only, balanced=True), -log_p[0].mean()
    )


@pytest.mark.parametrize("penalty", [0, -1, [1.0], [1.0, 0.0]])
def test_penalties_that_cannot_be_are_refused(penalty: float | list[float]) -> None:
    with pytest.raises(ValueError, match="one for each of the 2 classes"):
        weighted_cross_entropy(*drawn(), penalty=penalty)
