import pytest
import torch
from torch import nn

from histoseg.networks import PatchGAN
from histoseg.networks.blocks.initial import small_start


@pytest.fixture
def layers() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(16, 32, 5), nn.ConvTranspose2d(32, 16, 5), nn.Linear(64, 128), nn.BatchNorm2d(512)
    )


@pytest.mark.parametrize(
    ("initial", "expected"),
    [
        ("normal", (0.1, 0.1, 0.1)),
        ("xavier", [0.1 * (2 / fans) ** 0.5 for fans in (48 * 25, 48 * 25, 192)]),
        ("kaiming", [(2 / fan) ** 0.5 for fan in (16 * 25, 16 * 25, 64)]),
    ],
)
def test_weights_have_the_size_asked_for(
    layers: nn.Sequential, initial: str, expected: list[float]
) -> None:
    small_start(layers, initial, gain=0.1)
    for layer, std in zip(layers, expected, strict=False):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.05)
        assert abs(layer.weight.mean().item()) < 0.01
        assert not layer.bias.any()


def test_orthogonal_rows_have_the_length_of_the_gain(layers: nn.Sequential) -> None:
    small_start(layers, "orthogonal", gain=0.1)
    rows = layers[0].weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 0.01 * torch.eye(32))


def test_scales_of_batch_norms_start_near_one(layers: nn.Sequential) -> None:
    small_start(layers, "kaiming", gain=0.1)
    assert layers[3].weight.mean().item() == pytest.approx(1, abs=0.02)
    assert layers[3].weight.std().item() == pytest.approx(0.1, rel=0.1)
    assert not layers[3].bias.any()


def test_torch_is_left_alone(layers: nn.Sequential) -> None:
    before = {key: value.clone() for key, value in layers.state_dict().items()}
    small_start(layers, "torch")
    assert all(torch.equal(value, before[key]) for key, value in layers.state_dict().items())


def test_weights_under_a_spectral_norm_are_left_alone() -> None:
    network = PatchGAN(width=4, norm="spectral", initial="torch")
    before = network.state_dict()["layers.1.conv.parametrizations.weight.original"].clone()
    small_start(network)
    after = network.state_dict()["layers.1.conv.parametrizations.weight.original"]
    assert torch.equal(after, before)


def test_an_unknown_start_is_refused(layers: nn.Sequential) -> None:
    with pytest.raises(ValueError, match="'zeros' is unknown; choose one of"):
        small_start(layers, "zeros")  # type: ignore[arg-type]
