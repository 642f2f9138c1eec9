"""Rows of a kernel, added up, are the convolution."""

import pytest
import torch
from torch import Tensor, nn

from histoseg.networks.blocks.conv3x3 import Mode
from histoseg.networks.blocks.conv_to_few import ConvToFew


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("side", [7, 3])
def test_rows_add_up_and_so_do_gradients(mode: Mode, side: int) -> None:
    torch.manual_seed(0)
    conv = ConvToFew(16, 3, side, mode)
    image = torch.randn(2, 16, 9, 14, requires_grad=True)
    asked = (image, conv.weight, conv.bias)
    found = conv(image)
    plain = nn.Conv2d.forward(conv, image)
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=1e-5)
    cost = torch.randn_like(found)
    for got, expected in zip(
        torch.autograd.grad(found, asked, cost),
        torch.autograd.grad(plain, asked, cost),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-5)


def test_elsewhere_it_is_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: ConvToFew, image: Tensor) -> Tensor:
        raise AssertionError("not here")

    monkeypatch.setattr(ConvToFew, "_by_rows", never)
    conv, image = ConvToFew(16, 3, 7), torch.randn(1, 16, 9, 14)
    with torch.autocast("cpu", torch.bfloat16):
        conv(image)
    conv.double()(image.double())
    with pytest.raises(AssertionError, match="not here"):
        conv.float()(image)
