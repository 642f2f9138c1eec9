from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from histoseg.networks import ImPartial
from histoseg.networks.blocks.dropout import dropped, random_keep
from networks.tester import check_network


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_norm": True, "dropout": 0.0},
        {"activation": "elu", "depth": 1},
        {"activation": "elu", "batch_norm": True, "depth": 3, "dropout": 0.3},
    ],
    ids=str,
)
def test_behaves(settings: dict[str, Any]) -> None:
    build = partial(ImPartial, 2, 12, **({"width": 4, "depth": 2} | settings))
    check_network(build, torch.rand(2, 2, 18, 27), {"": (2, 12, 18, 27)})


@pytest.mark.parametrize(
    ("inputs", "outputs", "settings", "parameters"),
    [
        (1, 8, {"width": 16}, 1_079_656),
        (2, 16, {"width": 32}, 4_316_400),
        (2, 12, {}, 17_258_700),
        (3, 24, {}, 17_260_056),
        (2, 12, {"batch_norm": True}, 17_267_532),
        (2, 12, {"depth": 1}, 223_500),
        (2, 12, {"depth": 3}, 4_280_268),
        (2, 12, {"depth": 5}, 69_167_820),
    ],
)
def test_published_sizes(
    inputs: int, outputs: int, settings: dict[str, Any], parameters: int
) -> None:
    with torch.device("meta"):
        network = ImPartial(inputs, outputs, **settings)
    assert sum(p.numel() for p in network.parameters()) == parameters


def plain_pass(network: ImPartial, image: Tensor, seed: int, number: int) -> Tensor:
    """One stochastic pass as it would be written without any sharing; ReLU, no batch norm."""
    generator = torch.Generator().manual_seed(seed * 2**20 + number)
    p = network.dropout

    def unit(layer: Any, x: Tensor, drop: bool = True) -> Tensor:
        x = functional.conv2d(x, layer.conv.weight, layer.conv.bias, padding=1)
        if drop:
            keep = random_keep((1, *x.shape[1:]), p, x.device, [generator])[0]
            x = x * keep / (1 - p)
        return x.relu()

    def double(block: Any, x: Tensor, drop: bool = True) -> Tensor:
        return unit(block.second, unit(block.first, x, drop), drop)

    x, skips = double(network.stem, image, drop=False), []
    for down in network.down:
        skips.append(x)
        x = double(down, functional.max_pool2d(x, 2))
    for up in network.up:
        across = skips.pop()
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        down, right = across.shape[2] - x.shape[2], across.shape[3] - x.shape[3]
        x = functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        x = double(up, torch.cat([across, x], dim=1))
    return network.head(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("depth", [1, 3])
@torch.no_grad()
def test_passes_are_those_of_a_plain_pass_at_a_time(depth: int) -> None:
    network = ImPartial(2, 5, width=4, depth=depth).eval()
    image = torch.rand(2, 2, 21, 16)
    passes = torch.cat(list(network.samples(image, 5, seed=3, at_once=2)))
    plain = torch.stack([plain_pass(network, image, 3, number) for number in range(5)])
    assert passes.shape == (5, 2, 5, 21, 16)
    torch.testing.assert_close(passes, plain, rtol=1e-5, atol=1e-6)
    assert passes.std(0).mean() > 1e-3


@torch.no_grad()
def test_a_pass_depends_on_seed_and_number_alone() -> None:
    network = ImPartial(1, 2, width=4, depth=2).eval()
    image = torch.rand(3, 1, 16, 16)
    whole = torch.cat(list(network.samples(image, 4)))
    torch.rand(7)  # whatever was drawn before
    alone = torch.cat(list(network.samples(image[1:2], 4, at_once=3)))
    torch.testing.assert_close(alone[:, 0], whole[:, 1], rtol=1e-5, atol=1e-6)
    other = torch.cat(list(network.samples(image, 4, seed=1)))
    assert not torch.allclose(whole, other)


@torch.no_grad()
def test_dropout_keeps_the_mean() -> None:
    network = ImPartial(1, 1, width=8, depth=1, dropout=0.25)
    unit: Any = network.up[0].first
    x = torch.rand(64, 16, 16, 16)
    for drop in (None, lambda y: random_keep(y.shape, 0.25, y.device)):
        if drop is not None:
            drop.factor = 1 / 0.75  # type: ignore[attr-defined]
        made = unit.convolved(x, drop)
        made = made if drop is None else dropped(made, drop(made), relu=False)
        torch.testing.assert_close(
            made.mean((0, 2, 3)), unit.convolved(x, None).mean((0, 2, 3)), rtol=0.03, atol=0.01
        )


@pytest.mark.parametrize("p", [0.5, 0.1, 1 / 3])
def test_the_share_that_goes(p: float) -> None:
    keep = random_keep((4, 8, 64, 64), p, torch.device("cpu"))
    assert keep.shape == (1, 4, 8, 64, 64)
    assert keep.float().mean().item() == pytest.approx(1 - p, abs=0.004)


def test_gradients_pass_where_something_stays() -> None:
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    keep = random_keep((2, 3, 4, 4), 0.5, x.device)
    for relu in (True, False):
        torch.autograd.gradcheck(lambda y, relu=relu: dropped(y * 1, keep, relu=relu), x)


def test_the_first_level_drops_nothing() -> None:
    network = ImPartial(1, 2, width=4, depth=2).train()
    image = torch.rand(1, 1, 16, 16)
    assert torch.equal(network.stem(image), network.stem(image))
    assert not torch.equal(network(image), network(image))


def test_what_does_not_fit_is_refused() -> None:
    network = ImPartial(2, 4, width=2)
    for shape in ((1, 3, 32, 32), (1, 2, 15, 32), (2, 32, 32)):
        with pytest.raises(ValueError, match=r"takes images \(B, 2, H, W\) of at least 16 px"):
            network(torch.zeros(shape))
    with pytest.raises(ValueError, match="no dropout"):
        next(ImPartial(2, 4, width=2, dropout=0).samples(torch.zeros(1, 2, 16, 16), 3))
    for wrong in ({"dropout": 1.0}, {"depth": 0}, {"activation": "gelu"}):
        with pytest.raises(ValueError, match=r"expected|must be"):
            ImPartial(2, 4, **wrong)  # type: ignore[arg-type]
