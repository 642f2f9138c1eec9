"""Winograd's way is a convolution."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from histoseg.networks.blocks import conv3x3
from histoseg.networks.blocks.conv3x3 import Conv3x3


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate"])
@pytest.mark.parametrize("bias", [True, False])
def test_both_ways_agree(mode: conv3x3.Mode, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    conv = Conv3x3(64, 80, mode, bias)
    image = torch.randn(3, 64, 14, 22)
    ways: list[int] = []
    spread = conv3x3._spread
    monkeypatch.setattr(conv3x3, "_spread", lambda w: (ways.append(1), spread(w))[1])
    with torch.no_grad():
        fast = conv(image)
        exact = nn.Conv2d.forward(conv.double(), image.double())
    assert ways
    torch.testing.assert_close(fast, exact.float(), atol=2e-6, rtol=1e-5)


def test_elsewhere_it_is_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(weight: Tensor) -> Tensor:
        raise AssertionError("not here")

    monkeypatch.setattr(conv3x3, "_spread", never)
    wide, narrow = Conv3x3(64, 64), Conv3x3(8, 64)
    image = torch.randn(1, 64, 8, 8)
    wide(image).sum().backward()
    assert wide.weight.grad is not None
    with torch.no_grad():
        narrow(image[:, :8])
        wide(image[..., :7])
        wide.double()(image.double())
        with torch.autocast("cpu", torch.bfloat16):
            same = wide.float()(image)
        torch.testing.assert_close(
            same.float(), functional.conv2d(image, wide.weight, wide.bias, padding=1),
            atol=0.05, rtol=0.05,
        )  # fmt: skip
