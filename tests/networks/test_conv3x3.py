"""Winograd's way is a convolution."""

import pytest
import torch
from torch import Tensor, nn

from histoseg.networks.blocks import conv3x3
from histoseg.networks.blocks.conv3x3 import Conv3x3, Mode
from histoseg.networks.blocks.winograd import convolve

NEAR = 1e-5  # of the largest value


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes that went Winograd's way, which here need not be large."""
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(conv3x3, "CHANNELS", 32)
    monkeypatch.setattr(conv3x3, "PIXELS", 64)
    monkeypatch.setattr(conv3x3, "convolve", lambda x, w: (seen.append(x.shape), convolve(x, w))[1])
    return seen


def far(found: Tensor, exact: Tensor) -> float:
    return float(((found - exact).abs().max() / exact.abs().max()).detach())


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("bias", [True, False])
def test_both_ways_agree_and_so_do_gradients(
    mode: Mode, bias: bool, calls: list[tuple[int, ...]]
) -> None:
    torch.manual_seed(0)
    conv = Conv3x3(32, 48, mode, bias)
    image = torch.randn(2, 32, 12, 20, requires_grad=True)
    cost = torch.randn(2, 48, 12, 20)
    asked = (image, *conv.parameters())
    made = conv(image)
    found = torch.autograd.grad(made, asked, cost)
    stored = conv(image.to(memory_format=torch.channels_last))
    assert calls == [(2, 14, 22, 32)] * 2
    double = nn.Conv2d.forward(conv.double(), image.double())
    expected = torch.autograd.grad(double, (image, *conv.parameters()), cost.double())
    assert far(made, double) < NEAR
    assert far(stored, double) < NEAR
    assert max(map(far, found, expected)) < NEAR


def test_only_what_is_asked_for_is_computed(calls: list[tuple[int, ...]]) -> None:
    conv, image = Conv3x3(32, 32), torch.randn(1, 32, 8, 8)
    conv(image).sum().backward()
    assert conv.weight.grad is not None
    conv.requires_grad_(False)
    image.requires_grad_()
    conv(image).sum().backward()
    assert image.grad is not None
    with torch.no_grad():
        assert not conv(image).requires_grad
    assert len(calls) == 3


def test_elsewhere_it_is_a_plain_one(calls: list[tuple[int, ...]]) -> None:
    wide, narrow, image = Conv3x3(32, 32), Conv3x3(31, 32), torch.randn(1, 32, 8, 8)
    narrow(image[:, :-1])
    wide(image[..., :6])
    wide(image[..., :4])
    with torch.autocast("cpu", torch.bfloat16):
        wide(image)
    wide.double()(image.double())
    assert not calls
    wide.float()(image)
    assert calls
