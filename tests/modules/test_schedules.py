import pytest
import torch
from torch import nn

from histoseg.modules import LinearDecay


def rates(epochs: int, **settings: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = LinearDecay(optimizer, **settings)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_deepliif_trains_201_epochs_and_the_last_still_learns() -> None:
    found = rates(203)
    assert found[:101] == [1.0] * 101
    assert found[101] == pytest.approx(100 / 101)
    assert found[200] == pytest.approx(1 / 101)
    assert found[201:] == [pytest.approx(0, abs=1e-15)] * 2


def test_cyclegan_counts_from_one() -> None:
    found = rates(200, constant=99)
    expected = [1 - max(0, e - 100) / 101 for e in range(1, 201)]
    assert found == pytest.approx(expected)


def test_a_schedule_goes_on_where_it_was() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    first = LinearDecay(optimizer, constant=1, decay=3)
    for _ in range(3):
        optimizer.step()
        first.step()
    again = LinearDecay(optimizer, constant=1, decay=3)
    again.load_state_dict(first.state_dict())
    optimizer.step()
    again.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1 - 3 / 4)


def test_negative_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="decay -1"):
        rates(1, decay=-1)
