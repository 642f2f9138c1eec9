import hashlib
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from histoseg.errors import CheckpointError, MissingExtraError
from histoseg.metrics import Inception
from histoseg.metrics.extractors import PUBLISHED, identity


class Published(nn.Module):
    """Stands for torch-fidelity's network: its arguments, its way to load, one layer."""

    def __init__(
        self, name: str, features_list: list[str], feature_extractor_weights_path: Any
    ) -> None:
        super().__init__()
        assert features_list == ["2048", "logits_unbiased"]
        self.fc = nn.Linear(2, 3)
        self.load_state_dict(torch.load(feature_extractor_weights_path, weights_only=True))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = images[:, :2].float().mean(dim=(2, 3))
        return features, self.fc(features)


@pytest.fixture
def fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "torch_fidelity.feature_extractor_inceptionv3"
    module = ModuleType(name)
    module.FeatureExtractorInceptionV3 = Published
    monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(nn.ModuleDict({"fc": nn.Linear(2, 3)}).state_dict(), tmp_path / "inception.pth")
    return tmp_path / "inception.pth"


@pytest.mark.usefixtures("fidelity")
def test_weights_reach_the_network(weights: Path) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    features, logits = Inception(weights, digest)(torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
    assert features.shape == (4, 2)
    torch.testing.assert_close(logits[0], torch.load(weights, weights_only=True)["fc.bias"])


@pytest.mark.usefixtures("fidelity")
@pytest.mark.parametrize("given", [None, "nowhere.pth"])
def test_without_a_file_it_says_where_it_is_published(given: str | None) -> None:
    with pytest.raises(FileNotFoundError) as error:
        Inception(given)
    assert PUBLISHED in str(error.value)


@pytest.mark.usefixtures("fidelity")
def test_another_checksum_is_refused(weights: Path) -> None:
    with pytest.raises(CheckpointError, match="has the SHA-256"):
        Inception(weights, "6726825d")


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("was-run"),)


@pytest.mark.usefixtures("fidelity")
@pytest.mark.parametrize("content", ["code", "text", "list", "nothing"])
def test_what_is_no_file_of_tensors_is_refused_before_the_network_loads_it(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    if content == "list":
        torch.save([torch.zeros(1)], path)
    else:
        harmful = pickle.dumps(Harmful(), protocol=2)
        path.write_bytes({"code": harmful, "text": b"<html>", "nothing": b""}[content])
    with pytest.raises(CheckpointError, match=r"bad\.pth"):
        Inception(path)
    assert not (tmp_path / "was-run").exists()


def test_without_torch_fidelity_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(MissingExtraError, match=r"histoseg\[fid\]"):
        Inception("any.pth")


def test_identity_is_of_class_and_weights() -> None:
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    other.load_state_dict(one.state_dict())
    assert identity(one) == identity(other)
    with torch.no_grad():
        other.weight[0, 0] += 1e-6
    assert identity(one) != identity(other)
    assert identity(nn.ReLU()) != identity(nn.Identity())
