"""Rows of a kernel, added up, are the convolution."""

import pytest
import torch
from torch import nn

from histoseg.networks.blocks import conv_to_few
from histoseg.networks.blocks.conv3x3 import Mode
from histoseg.networks.blocks.conv_to_few import ConvToFew


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("side", [7, 3])
def test_rows_add_up(mode: Mode, side: int) -> None:
    torch.manual_seed(0)
    conv = ConvToFew(16, 3, side, mode)
    image = torch.randn(2, 16, 9, 14)
    with torch.no_grad():
        fast = conv(image)
        exact = nn.Conv2d.forward(conv.double(), image.double())
    torch.testing.assert_close(fast, exact.float(), atol=1e-6, rtol=1e-6)


def test_rows_are_for_prediction_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    conv, image, ways = ConvToFew(16, 3, 7), torch.randn(1, 16, 9, 14), []
    by_rows = ConvToFew._by_rows
    monkeypatch.setattr(
        conv_to_few.ConvToFew, "_by_rows", lambda self, x: (ways.append(1), by_rows(self, x))[1]
    )
    conv(image).sum().backward()
    assert conv.weight.grad is not None
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            conv(image)
        assert not ways
        conv(image)
    assert ways
