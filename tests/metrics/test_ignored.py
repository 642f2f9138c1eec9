import pytest
import torch

from histoseg.metrics import InstanceScores, without_ignored


def maps() -> dict[str, torch.Tensor]:
    labels = torch.zeros(2, 8, 8, dtype=torch.int64)
    labels[0, :4, :2], labels[0, 5:, 5:], labels[1, :4, :2] = 9, 4, 9
    return {"instances": labels, "semantic": (labels > 0).long() * 3}


def test_an_object_with_more_than_half_of_its_pixels_ignored_is_gone() -> None:
    ignore = torch.zeros(2, 8, 8, dtype=torch.bool)
    ignore[0, :2] = True  # exactly half of 9
    assert torch.equal(without_ignored(maps(), ignore)["instances"], maps()["instances"])
    ignore[0, 2, 0] = True  # one pixel more
    left = without_ignored(maps(), ignore)
    assert left["instances"][0].unique().tolist() == [0, 4]
    assert torch.equal(left["semantic"] > 0, left["instances"] > 0)
    assert torch.equal(left["instances"][1], maps()["instances"][1]), "each image by itself"


def test_an_object_that_stays_keeps_all_of_its_pixels() -> None:
    ignore = torch.zeros(2, 8, 8, dtype=torch.bool)
    ignore[:, 0] = True
    assert torch.equal(without_ignored(maps(), ignore)["instances"], maps()["instances"])


def test_mistakes_in_ignored_parts_cost_nothing() -> None:
    true, pred = torch.zeros(1, 16, 16, dtype=torch.int64), torch.zeros(1, 16, 16).long()
    true[0, 1:5, 1:5] = pred[0, 1:5, 1:5] = 1
    pred[0, 10:14, 10:14], true[0, 10:14, 2:6] = 2, 3  # invented and missed
    ignore = torch.zeros(1, 16, 16, dtype=torch.bool)
    ignore[0, 9:] = True
    scores = InstanceScores()
    scores.update(
        **without_ignored({"instances": true}, ignore),
        **without_ignored({"pred_instances": pred}, ignore),
    )
    assert float(scores.compute()["pq"]) == pytest.approx(1, abs=1e-5)


def test_maps_without_objects_and_of_another_size() -> None:
    assert without_ignored({}, torch.ones(1, 2, 2, dtype=torch.bool)) == {}
    with pytest.raises(ValueError, match="crop both to the same region"):
        without_ignored(maps(), torch.zeros(2, 4, 4, dtype=torch.bool))
