from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from histoseg.networks import AttentionUNet, UNetGenerator
from networks.tester import check_network

TINY = {"width": 2, "depth": 4, "initial": "torch"}


@pytest.mark.parametrize("norm", ["batch", "instance", "none", "spectral"])
def test_behaves(norm: str) -> None:
    build = partial(UNetGenerator, inputs=6, outputs=2, norm=norm, **TINY)
    check_network(build, torch.rand(2, 6, 32, 48) * 2 - 1, {"": (2, 2, 32, 48)})


@pytest.mark.parametrize("depth", [2, 3])
def test_with_attention_behaves(depth: int) -> None:
    build = partial(AttentionUNet, inputs=6, outputs=2, **(TINY | {"depth": depth}))
    check_network(build, torch.rand(2, 6, 16, 24) * 2 - 1, {"": (2, 2, 16, 24)})


@pytest.mark.parametrize(
    ("build", "parameters", "entries"),
    [
        (UNetGenerator, 66_998_915, 94),
        (partial(UNetGenerator, depth=8), 54_413_955, 82),
        (AttentionUNet, 56_616_056, 237),
    ],
)
def test_published_size(build: Any, parameters: int, entries: int) -> None:
    with torch.device("meta"):
        network = build()
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(network.state_dict()) == entries
    if build is UNetGenerator:
        assert sum(buffer.numel() for buffer in network.buffers()) == 11_919


@pytest.mark.parametrize("kind", [UNetGenerator, AttentionUNet])
def test_sizes_that_do_not_fit_are_refused(kind: Any) -> None:
    network = kind(**TINY)
    assert network.multiple == 16
    with pytest.raises(ValueError, match=r"40 x 16 px does not fit.*divide by 16.*is 48 x 16"):
        network(torch.zeros(1, 3, 40, 16))
    with pytest.raises(ValueError, match="depth is 1"):
        kind(depth=1)


def test_attention_needs_half_a_width() -> None:
    with pytest.raises(ValueError, match="width is 3"):
        AttentionUNet(width=3)


def test_dropout_is_where_the_original_has_it() -> None:
    """Behind the doublings of the fifth to the last but one level."""
    network = UNetGenerator(width=1, depth=8, norm="none", initial="torch").train()
    seen = []
    network.dropout.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[-1]))
    network(torch.rand(1, 3, 256, 256))
    assert seen == [4, 8, 16]


def test_every_skip_reaches_the_result() -> None:
    network = UNetGenerator(norm="none", **TINY).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        whole = network(image)
        for level in range(4):
            hook = network.down[level].register_forward_hook(lambda _, __, out: out + 1)
            assert not torch.allclose(network(image), whole), level
            hook.remove()


def test_the_gate_weighs_skips() -> None:
    network = AttentionUNet(**TINY).eval()
    gate = network.gates[1]
    assert isinstance(gate.weight.conv, nn.Conv2d)
    below, skip = torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4)
    nn.init.zeros_(gate.weight.conv.weight)
    for bias, share in ((-100.0, 0.0), (0.0, 0.5), (100.0, 1.0)):
        nn.init.constant_(gate.weight.conv.bias, bias)
        torch.testing.assert_close(gate(below, skip), share * skip)
