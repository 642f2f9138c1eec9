"""Winograd's way is a convolution."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks import conv3x3
from histoseg.networks.blocks.conv3x3 import LEAST, Conv3x3


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("bias", [True, False])
def test_both_ways_agree(mode: conv3x3.Mode, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    conv = Conv3x3(LEAST, LEAST + 64, mode, bias)
    image = torch.randn(2, LEAST, 12, 20)
    ways: list[int] = []
    spread = conv3x3._spread
    monkeypatch.setattr(conv3x3, "_spread", lambda w: (ways.append(1), spread(w))[1])
    with torch.no_grad():
        fast = conv(image)
        as_stored = conv(image.to(memory_format=torch.channels_last))
        exact = nn.Conv2d.forward(conv.double(), image.double())
    assert ways == [1, 1]
    assert (fast - exact).abs().max() < 1e-5 * exact.abs().max()
    torch.testing.assert_close(as_stored, fast)


def test_elsewhere_it_is_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(weight: Tensor) -> Tensor:
        raise AssertionError("not here")

    monkeypatch.setattr(conv3x3, "_spread", never)
    wide, narrow = Conv3x3(LEAST, LEAST), Conv3x3(LEAST - 1, LEAST)
    image = torch.randn(1, LEAST, 8, 8)
    wide(image).sum().backward()
    assert wide.weight.grad is not None
    with torch.no_grad():
        narrow(image[:, :-1])
        wide(image[..., :6])
        wide.double()(image.double())
        with torch.autocast("cpu", torch.bfloat16):
            same = wide.float()(image)
        torch.testing.assert_close(
            same.float(), functional.conv2d(image, wide.weight, wide.bias, padding=1),
            atol=0.05, rtol=0.05,
        )  # fmt: skip
