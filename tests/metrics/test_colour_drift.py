import numpy as np
import pytest
import torch
from torch import Tensor

from histoseg.metrics import ColourDrift
from histoseg.ops.stain import STAIN_VECTORS, od_to_rgb


def stained(amounts: list[tuple[float, float, float]]) -> Tensor:
    """Flat pictures (B, 3, 4, 5) of hematoxylin, eosin and DAB, decadic optical density."""
    od = np.array(amounts) * np.log(10) @ STAIN_VECTORS
    return torch.from_numpy(od_to_rgb(od)).float().view(-1, 3, 1, 1).expand(-1, 3, 4, 5)


def test_each_dye_moves_by_what_was_added() -> None:
    metric = ColourDrift(["HE"])
    real = stained([(0.2, 0.3, 0.1), (0.4, 0.1, 0.1)])  # mean 0.3, 0.2, 0.1
    metric.update({"HE": real}, {"HE": stained([(0.35, 0.1, 0.1)])})
    drift = metric.compute()
    expected = {"hematoxylin": 0.05, "eosin": -0.1, "dab": 0.0}
    for name, value in expected.items():
        assert drift[f"drift_{name}/HE"].item() == pytest.approx(value, abs=1e-5)
    channels = np.array([0.05, -0.1, 0]) @ STAIN_VECTORS
    for name, value in zip(("red", "green", "blue"), channels, strict=True):
        assert drift[f"drift_{name}/HE"].item() == pytest.approx(value, abs=1e-5)


def test_sets_come_apart_and_in_any_batches() -> None:
    real, pred = torch.rand(5, 3, 6, 6), torch.rand(3, 3, 6, 6)
    whole, parts = ColourDrift(["HE"]), ColourDrift(["HE"])
    whole.update({"HE": real}, {"HE": pred})
    parts.update({"HE": real[3:]}, {"HE": pred[:1], "other": pred})
    parts.update({}, {"HE": pred[1:]})
    parts.update({"HE": real[:3]}, {})
    expected = whole.compute()
    assert all(torch.equal(value, expected[name]) for name, value in parts.compute().items())


def test_a_set_does_not_drift_from_itself_and_one_alone_says_nothing() -> None:
    metric = ColourDrift(["HE", "IHC"])
    images = torch.rand(2, 3, 6, 6)
    metric.update({"HE": images, "IHC": images}, {"HE": images})
    drift = metric.compute()
    assert drift["drift_red/HE"] == drift["drift_red"] == 0
    assert torch.isnan(drift["drift_red/IHC"])


def test_what_cannot_be_compared_is_refused() -> None:
    metric = ColourDrift(["HE"])
    with pytest.raises(ValueError, match="nothing to compare"):
        metric.update({"IHC": torch.rand(1, 3, 4, 4)}, {})
    with pytest.raises(ValueError, match=r"HE is .*expected RGB"):
        metric.update({"HE": torch.rand(1, 1, 4, 4)}, {})
    with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
        metric.update({}, {"HE": torch.full((1, 3, 4, 4), -1.0)})
