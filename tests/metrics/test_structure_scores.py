import pytest
import torch
from torch import Tensor

from histoseg.metrics import StructureScores


def discs(*places: tuple[int, int]) -> Tensor:
    """One map (1, 60, 60) with a square nucleus at each centre (x, y)."""
    labels = torch.zeros(1, 60, 60, dtype=torch.int64)
    for number, (x, y) in enumerate(places, start=1):
        labels[0, y - 2 : y + 3, x - 2 : x + 3] = number
    return labels


BEFORE = discs((10, 10), (30, 10), (10, 40), (40, 40))


def test_lost_and_invented_nuclei_are_counted() -> None:
    metric = StructureScores(radius_um=1, mpp=0.25)  # 4 px
    after = discs((13, 10), (30, 10), (10, 45), (40, 20))  # moved 3, 0 and 5 px; another one
    metric.update(BEFORE, after)
    scores = {name: value.item() for name, value in metric.compute().items()}
    assert scores == {"structure_f1": 0.5, "nuclei_lost": 0.5, "nuclei_invented": 0.5}


def test_counts_of_pictures_add_up() -> None:
    metric = StructureScores()
    metric.update(BEFORE, BEFORE)
    metric.update(BEFORE, discs((10, 10)))
    scores = metric.compute()
    assert scores["structure_f1"].item() == pytest.approx(10 / 13)
    assert scores["nuclei_lost"].item() == pytest.approx(3 / 8)
    assert scores["nuclei_invented"] == 0


def test_the_radius_is_in_micrometres() -> None:
    after = discs((16, 10), (36, 10), (16, 40), (46, 40))  # 6 px
    found = []
    for mpp in (0.25, 0.5, None):  # 3 um: 12 px, 6 px, taken for 12 px
        metric = StructureScores(mpp=mpp)
        metric.update(BEFORE, after)
        found.append(metric.compute()["structure_f1"].item())
    assert found == [1, 1, 1]
    coarse = StructureScores(mpp=0.6)
    coarse.update(BEFORE, after)
    assert coarse.compute()["structure_f1"] == 0


def test_no_nuclei_say_nothing() -> None:
    metric = StructureScores()
    metric.update(discs(), discs())
    assert all(torch.isnan(value) for value in metric.compute().values())
    metric.update(discs(), BEFORE)
    scores = metric.compute()
    assert torch.isnan(scores["nuclei_lost"])
    assert scores["nuclei_invented"] == 1


def test_maps_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="same region"):
        StructureScores().update(BEFORE, BEFORE[:, 1:])
