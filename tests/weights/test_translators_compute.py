"""The official networks written down once more, by their own keys and with functions alone."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg import networks
from histoseg.weights.layers import Layout, StoredNetwork
from histoseg.weights.patchgan_layout import PatchGANLayout
from histoseg.weights.resnet_layout import ResnetLayout
from histoseg.weights.translators import to_official
from histoseg.weights.unet_layout import AttentionUNetLayout, UNetLayout

State = dict[str, Tensor]


def network_of(layout: Layout) -> tuple[nn.Module, State]:
    """A network whose norms tell, and its weights under the official keys."""
    network: nn.Module = getattr(networks, layout.network)(**vars(layout), initial="torch")
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.weight, 1, 0.3)
            nn.init.normal_(norm.bias, 0, 0.3)
            nn.init.normal_(norm.running_mean, 0, 0.3)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return network.eval(), to_official(StoredNetwork(layout, network.state_dict()))


def conv(x: Tensor, state: State, name: str, stride: int = 1, padding: int = 1) -> Tensor:
    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
    return functional.conv2d(x, weight, bias, stride, padding)


def double(x: Tensor, state: State, name: str, extra: int = 0) -> Tensor:
    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
    return functional.conv_transpose2d(x, weight, bias, 2, 1, output_padding=extra)


def norm(x: Tensor, state: State, name: str) -> Tensor:
    if f"{name}.weight" not in state:
        return functional.instance_norm(x)
    entries = ("running_mean", "running_var", "weight", "bias")
    return functional.batch_norm(x, *(state[f"{name}.{entry}"] for entry in entries))


def unet_level(x: Tensor, state: State, at: str) -> Tensor:
    inner = conv(functional.leaky_relu(x, 0.2), state, f"{at}.1", stride=2)
    if f"{at}.5.weight" in state:
        inner = unet_level(norm(inner, state, f"{at}.2"), state, f"{at}.3.model")
        inner = norm(double(inner.relu(), state, f"{at}.5"), state, f"{at}.6")
    else:
        inner = norm(double(inner.relu(), state, f"{at}.3"), state, f"{at}.4")
    return torch.cat([x, inner], dim=1)


@pytest.mark.parametrize("kind", ["batch", "instance"])
@pytest.mark.parametrize("depth", [5, 6])
def test_unet(kind: str, depth: int) -> None:
    network, state = network_of(UNetLayout(6, 2, 2, depth, kind))
    image = torch.rand(2, 6, 64, 128) * 2 - 1
    x = conv(image, state, "model.model.0", stride=2)
    x = unet_level(x, state, "model.model.1.model")
    expected = double(x.relu(), state, "model.model.3").tanh()
    torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-5)


def test_attention_unet() -> None:
    network, state = network_of(AttentionUNetLayout())
    image = torch.rand(1, 3, 256, 256) * 2 - 1

    def gate(below: Tensor, skip: Tensor, name: str) -> Tensor:
        parts = [
            norm(conv(x, state, f"{name}.{part}.0", padding=0), state, f"{name}.{part}.1")
            for x, part in ((below, "W_g"), (skip, "W_x"))
        ]
        share = conv((parts[0] + parts[1]).relu(), state, f"{name}.psi.0", padding=0)
        return skip * norm(share, state, f"{name}.psi.1").sigmoid()

    with torch.no_grad():
        found = [functional.leaky_relu(conv(image, state, "Conv1.conv.0", 2), 0.2)]
        for level in range(2, 8):
            x = conv(found[-1], state, f"Conv{level}.conv.0", 2)
            found.append(functional.leaky_relu(norm(x, state, f"Conv{level}.conv.1"), 0.2))
        x = conv(found[-1], state, "Conv8.conv.0", 2).relu()
        for level in range(8, 1, -1):
            x = norm(double(x, state, f"Up{level}.up.0"), state, f"Up{level}.up.1").relu()
            x = torch.cat([gate(x, found.pop(), f"Att{level}"), x], dim=1)
        expected = double(x, state, "Up1.up.0").tanh()
        torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["batch", "instance"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_resnet(kind: str, dropout: float, padding: str) -> None:
    network, state = network_of(ResnetLayout(3, 2, 4, 3, kind, padding, dropout))
    mode, padded = ("constant", 0) if padding == "zero" else ("reflect", 1)
    convs = (padded, padded * 2 + 3 + (dropout > 0))

    def around(x: Tensor, name: str, size: int) -> Tensor:
        return conv(functional.pad(x, (size,) * 4, mode=mode), state, name, padding=0)

    image = torch.rand(2, 3, 16, 24) * 2 - 1
    x = norm(around(image, "model.1", 3), state, "model.2").relu()
    for at in (4, 7):
        x = norm(conv(x, state, f"model.{at}", stride=2), state, f"model.{at + 1}").relu()
    for at in (10, 11, 12):
        inner = x
        for i, place in enumerate(convs):
            name = f"model.{at}.conv_block"
            inner = norm(around(inner, f"{name}.{place}", 1), state, f"{name}.{place + 1}")
            inner = inner if i else inner.relu()
        x = x + inner
    for at in (13, 16):
        x = norm(double(x, state, f"model.{at}", extra=1), state, f"model.{at + 1}").relu()
    expected = around(x, "model.20", 3).tanh()
    torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["batch", "instance"])
def test_patchgan(kind: str) -> None:
    network, state = network_of(PatchGANLayout(6, 4, 3, kind))
    image = torch.rand(2, 6, 48, 64) * 2 - 1
    x = functional.leaky_relu(conv(image, state, "model.0", 2), 0.2)
    for at, stride in ((2, 2), (5, 2), (8, 1)):
        x = norm(conv(x, state, f"model.{at}", stride), state, f"model.{at + 1}")
        x = functional.leaky_relu(x, 0.2)
    torch.testing.assert_close(network(image), conv(x, state, "model.11"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        (
            {"upsampling": "resize_conv"},
            ["model.21.bias", "model.22.weight", "model.26.bias", "model.27.bias", "model.30.bias"],
        ),
        (
            {"padding": "reflect"},
            [f"model.18.conv_block.{at}.weight" for at in (1, 2, 6, 7)] + ["model.23.weight"],
        ),
        (
            {"padding": "reflect", "dropout": 0.0, "norm": "instance", "blocks": 6},
            ["model.15.conv_block.5.bias", "model.16.bias", "model.19.bias", "model.23.bias"],
        ),
        (
            {"norm": "spectral"},
            ["model.4.parametrizations.weight.0._u", "model.26.parametrizations.weight.original"],
        ),
    ],
    ids=str,
)
def test_layers_have_their_published_numbers(changes: dict[str, Any], keys: list[str]) -> None:
    _, state = network_of(ResnetLayout(width=1, **changes))
    assert [key for key in keys if key not in state] == []
