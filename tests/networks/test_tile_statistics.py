from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from histoseg.networks import AttentionUNet, ResnetGenerator, UNetGenerator
from histoseg.networks.blocks.tile_statistics import TileNorm, with_tile_statistics

BUILDS: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: ResnetGenerator(width=4, blocks=2, initial="torch"),
    "unet": lambda: UNetGenerator(width=2, depth=4, initial="torch"),
    "attention": lambda: AttentionUNet(width=2, depth=3, initial="torch"),
}


@pytest.fixture(params=BUILDS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    """A network whose running statistics are not those of a tile."""
    network = BUILDS[request.param]()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.weight, 1, 0.3)
            nn.init.normal_(norm.bias, 0, 0.3)
            nn.init.normal_(norm.running_mean, 0, 0.5)
    return network.eval()


def one_by_one(network: nn.Module, tiles: Tensor) -> Tensor:
    """What batch norms give with the statistics of each tile."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 0.0
    with torch.no_grad():
        out = torch.cat([network(tile[None]) for tile in tiles])
    network.eval()
    return out


def test_equals_batch_norm_of_one_tile_also_in_a_batch(network: nn.Module) -> None:
    tiles = torch.rand(3, 3, 32, 48) * torch.tensor([0.2, 0.6, 1.0]).view(3, 1, 1, 1)
    expected = one_by_one(network, tiles)
    swapped = with_tile_statistics(network)
    with torch.no_grad():
        alone = torch.cat([swapped(tile[None]) for tile in tiles])
        together = swapped(tiles)
        collected = network(tiles)
    assert (alone - expected).abs().max() < 1e-5
    assert (together - expected).abs().max() < 1e-5
    assert (collected - expected).abs().max() > 1e-2


def test_weights_are_shared_and_the_network_stays(network: nn.Module) -> None:
    before = list(network.state_dict())
    network.train()
    swapped = with_tile_statistics(network)
    assert network.training
    assert not swapped.training
    assert list(network.state_dict()) == before
    own, theirs = dict(network.named_parameters()), dict(swapped.named_parameters())
    assert set(own) == set(theirs)
    assert all(own[name] is parameter for name, parameter in theirs.items())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in swapped.modules())
    assert not any("running" in key for key in swapped.state_dict())


def test_a_norm_alone_and_one_without_scale() -> None:
    tile = torch.rand(2, 4, 8, 8)
    for norm in (nn.BatchNorm2d(4, eps=0.1), nn.BatchNorm2d(4, affine=False)):
        swapped = with_tile_statistics(norm)
        assert isinstance(swapped, nn.InstanceNorm2d)
        assert swapped.eps == norm.eps
        with torch.no_grad():
            torch.testing.assert_close(swapped(tile[:1]), norm.train()(tile[:1]))


def test_weights_under_a_spectral_norm_are_shared() -> None:
    network = ResnetGenerator(width=2, blocks=1, norm="spectral").eval()
    swapped = with_tile_statistics(network)
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(swapped(image), network(image))
    network.head.bias.data += 1
    assert torch.equal(swapped(image), network(image))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_norm_learns_as_torchs_own(batch: int, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours, theirs = TileNorm(4, affine=True), nn.InstanceNorm2d(4, affine=True)
    image = torch.randn(batch, 4, 6, 8).contiguous(memory_format=layout).requires_grad_()
    cost = torch.randn(batch, 4, 6, 8)
    torch.testing.assert_close(ours(image), theirs(image))
    for got, expected in zip(
        *(
            torch.autograd.grad(norm(image), (image, norm.weight, norm.bias), cost)
            for norm in (ours, theirs)
        ),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
