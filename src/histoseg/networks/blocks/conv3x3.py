"""A 3x3 convolution that a processor computes with fewer multiplications."""

from __future__ import annotations

from typing import Final, Literal

from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histoseg.networks.blocks.on_cpu import on_cpu_in_float32
from histoseg.networks.blocks.winograd import SIDE, convolve

CHANNELS: Final = 256
PIXELS: Final = 4096
"""Of all images of a batch. With fewer channels or pixels, sums cost more than products saved."""
Mode = Literal["zeros", "reflect", "replicate", "circular"]
MODES: Final = {"zeros": "constant"}


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with stride 1, by `histoseg.networks.blocks.winograd` where it is faster.

    That is on a processor, with many channels and pixels, and sides that divide by four. Elsewhere
    it is a plain convolution.

    Args:
        inputs: Channels of the image.
        outputs: Channels of the result.
        padding_mode: As of `torch.nn.Conv2d`; one pixel is padded.
        bias: Whether it has one.
    """

    def __init__(
        self, inputs: int, outputs: int, padding_mode: Mode = "zeros", bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, 3, padding=1, padding_mode=padding_mode, bias=bias)

    @override
    def forward(self, input: Tensor) -> Tensor:
        batch, _, height, width = input.shape
        wide = min(self.in_channels, self.out_channels) >= CHANNELS
        large = batch * height * width >= PIXELS and not (height % SIDE or width % SIDE)
        if not (wide and large and on_cpu_in_float32(input)):
            return super().forward(input)
        mode = MODES.get(self.padding_mode, self.padding_mode)
        padded = functional.pad(input, (1, 1, 1, 1), mode=mode).permute(0, 2, 3, 1)
        made = convolve(padded, self.weight)
        return (made if self.bias is None else made.add_(self.bias)).permute(0, 3, 1, 2)
