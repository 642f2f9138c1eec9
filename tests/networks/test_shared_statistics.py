"""Norms with the statistics of a sample: exact for a whole picture, local for its tiles."""

import pytest
import torch
from torch import nn

from histoseg.networks import ResnetGenerator
from histoseg.networks.blocks.shared_statistics import measuring, with_shared_statistics
from histoseg.networks.blocks.tile_statistics import with_tile_statistics


@pytest.fixture
def picture() -> torch.Tensor:
    draw = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, 12, 16, generator=draw)
    return nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear") * 2 - 1


@pytest.mark.parametrize("norm", ["instance", "batch"])
@torch.no_grad()
def test_a_whole_picture_as_sample_gives_what_norms_by_tile_give(
    norm: str, picture: torch.Tensor
) -> None:
    network = ResnetGenerator(width=4, blocks=2, norm=norm, dropout=0.0, gain=0.2).eval()  # type: ignore[arg-type]
    shared = with_shared_statistics(network)
    with pytest.raises(RuntimeError, match="sample"):
        shared(picture)
    with measuring(shared):
        first = shared(picture)
    whole = with_tile_statistics(network)(picture)
    assert whole.std() > 0.01
    torch.testing.assert_close(first, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shared(picture), whole, rtol=1e-4, atol=1e-5)
    reach = 36  # px that a pixel depends on, each way
    part = shared(picture[..., :96])[..., : 96 - reach]
    torch.testing.assert_close(part, whole[..., : 96 - reach], rtol=1e-4, atol=1e-5)
    by_tile = with_tile_statistics(network)(picture[..., :96])[..., : 96 - reach]
    assert (by_tile - whole[..., : 96 - reach]).abs().max() > 1e-3


@torch.no_grad()
def test_weights_are_shared_and_the_network_stays_as_it_is(picture: torch.Tensor) -> None:
    network = ResnetGenerator(width=4, blocks=1, norm="batch", dropout=0.0).eval()
    before = network(picture)
    shared = with_shared_statistics(network)
    assert {id(p) for p in shared.parameters()} == {id(p) for p in network.parameters()}
    with measuring(shared):
        shared(picture)
    assert torch.equal(network(picture), before)
    assert not any("mean" in key for key in shared.state_dict())
