import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torchvision.models import VGG19_Weights, vgg19

from histoseg.errors import CheckpointError
from histoseg.networks import VGG19Features

NAME = Path(VGG19_Weights.IMAGENET1K_V1.url).name


def save(path: Path, width: int = 4) -> dict[str, Tensor]:
    state = VGG19Features(None, width=width).state_dict()
    torch.save(state | {"classifier.0.weight": torch.zeros(3)}, path)
    return state


def test_gives_what_torchvision_computes() -> None:
    with torch.device("meta"):
        original = vgg19(weights=None)
    features = original.features.to_empty(device="cpu")[:30]
    ours = VGG19Features(None)
    features.load_state_dict(ours.features.state_dict())
    x, seen = torch.rand(1, 3, 32, 32), []
    with torch.no_grad():
        found = ours(x)
        for index, layer in enumerate(features):
            x = layer(x)
            if index in (1, 6, 11, 20, 29):
                seen.append(x.clone())
    assert [tuple(out.shape[1:]) for out in found] == [
        *((64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2))
    ]
    assert all(torch.equal(there, here) for there, here in zip(found, seen, strict=True))


def test_features_are_not_overwritten_and_do_not_learn() -> None:
    network = VGG19Features(None, width=2)
    assert not any(p.requires_grad for p in network.parameters())
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    found = network(image)
    torch.stack([out.mean() for out in found]).sum().backward()
    assert image.grad.abs().sum() > 0
    assert all((out >= 0).all() for out in found)


def test_a_path_is_read(tmp_path: Path) -> None:
    state = save(tmp_path / "vgg.pth")
    ours = VGG19Features(tmp_path / "vgg.pth", width=4).state_dict()
    assert all(torch.equal(ours[key], value) for key, value in state.items())


def test_torchvisions_cache_is_read_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"{NAME}.* put https://.*/{NAME} there"):
        VGG19Features("torchvision", width=4)
    state = save(cache / NAME)
    with pytest.raises(CheckpointError, match="it is damaged or another"):
        VGG19Features("torchvision", width=4)
    digest = hashlib.sha256((cache / NAME).read_bytes()).hexdigest()[:8]
    (cache / NAME).rename(cache / f"vgg19-{digest}.pth")
    there = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(url=f"https://x.org/vgg19-{digest}.pth"))
    monkeypatch.setattr("histoseg.networks.vgg.VGG19_Weights", there)
    ours = VGG19Features("torchvision", width=4).state_dict()
    assert all(torch.equal(ours[key], value) for key, value in state.items())


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        VGG19Features(tmp_path / "nowhere.pth")
    save(tmp_path / "narrow.pth")
    with pytest.raises(CheckpointError, match=r"26 of 26 tensors.*features\.0\.weight"):
        VGG19Features(tmp_path / "narrow.pth", width=8)
    (tmp_path / "page.pth").write_text("<html>Not found</html>")
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        VGG19Features(tmp_path / "page.pth", width=4)
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds a list"):
        VGG19Features(tmp_path / "list.pth", width=4)
    with pytest.raises(ValueError, match=r"expected an image \(B, 3, H, W\)"):
        VGG19Features(None, width=1)(torch.zeros(1, 1, 16, 16))
