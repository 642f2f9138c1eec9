import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image.lpips import _LPIPS

from histoseg.errors import CheckpointError
from histoseg.metrics import Lpips, lpips


@pytest.fixture(scope="module")
def oracle() -> _LPIPS:
    """Torchmetrics' LPIPS with the fitted heads, and a backbone that needs no download."""
    torch.manual_seed(0)
    return _LPIPS(net="alex", pnet_rand=True)


@pytest.fixture(scope="module")
def weights(oracle: _LPIPS, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oracle's backbone as a file of torchvision's layout."""
    stages = oracle.net.named_parameters()
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    state = {f"features.{name.partition('.')[2]}": p.detach().clone() for name, p in stages}
    torch.save(state | {"classifier.1.weight": torch.zeros(1)}, path)
    return path


def pictures(channels: int = 3, side: int = 64) -> tuple[Tensor, Tensor]:
    return torch.rand(2, channels, side, side + 9), torch.rand(2, channels, side, side + 9)


def test_torchmetrics_says_the_same_with_the_same_backbone(oracle: _LPIPS, weights: Path) -> None:
    images, others = pictures()
    expected = oracle(images, others, normalize=True).flatten()
    torch.testing.assert_close(Lpips("alex", weights)(images, others), expected)
    assert expected.min() > 0


def test_equal_pictures_are_0_and_order_does_not_matter(weights: Path) -> None:
    images, others = pictures()
    network = Lpips("alex", weights)
    assert not network(images, images).any()
    torch.testing.assert_close(network(images, others), network(others, images))


def test_one_channel_is_taken_for_gray(weights: Path) -> None:
    images, others = pictures(channels=1)
    network = Lpips("alex", weights)
    rgb = network(images.expand(-1, 3, -1, -1), others.expand(-1, 3, -1, -1))
    torch.testing.assert_close(network(images, others), rgb)


def test_nothing_is_trained(weights: Path) -> None:
    network = Lpips("alex", weights)
    assert not [p for p in network.parameters() if p.requires_grad]
    assert not network.training


def test_without_a_file_it_says_where_from_and_where_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"download\.pytorch\.org.*vgg16-\w+\.pth") as error:
        Lpips("vgg")
    assert str(tmp_path / "checkpoints") in str(error.value)


def test_torchvisions_cache_is_used(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    own = lpips._BACKBONES["alex"]
    cached = tmp_path / "checkpoints" / Path(own.published.url).name
    cached.symlink_to(weights)
    with pytest.raises(CheckpointError, match="it is damaged or another"):
        Lpips("alex")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    cached.rename(cached.with_name(f"alexnet-{digest}.pth"))
    there = own._replace(published=SimpleNamespace(url=f"https://x.org/alexnet-{digest}.pth"))
    monkeypatch.setitem(lpips._BACKBONES, "alex", there)
    images, others = pictures()
    torch.testing.assert_close(
        Lpips("alex")(images, others), Lpips("alex", weights)(images, others)
    )


def test_a_checksum_is_held_against_the_file(weights: Path) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    Lpips("alex", weights, digest.upper())
    Lpips("alex", weights, digest[:8])
    for wrong in ("0" * 64, ""):
        with pytest.raises(CheckpointError, match=digest):
            Lpips("alex", weights, wrong)


def test_another_network_is_refused(weights: Path) -> None:
    with pytest.raises(CheckpointError, match="does not fit vgg16"):
        Lpips("vgg", weights)


def test_small_pictures_are_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match=r"\(63, 72\) px are too small"):
        Lpips("alex", weights)(*pictures(side=63))
