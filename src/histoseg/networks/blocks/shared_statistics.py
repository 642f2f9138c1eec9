"""Norms whose statistics are measured once, on a sample, and then serve every tile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histoseg.networks.blocks.tile_statistics import swapped

Network = TypeVar("Network", bound=nn.Module)


class SharedNorm(nn.Module):
    """A norm with the mean and the variance of all pixels of a sample, by channel.

    Args:
        norm: The norm that it stands for; weight and bias are shared with it.

    Attributes:
        measuring: Whether what is seen is the sample.
        mean: (C,), float32; None before there was a sample.
        variance: Likewise.
    """

    def __init__(self, norm: nn.InstanceNorm2d | nn.BatchNorm2d | nn.SyncBatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.measuring = False
        self.mean: Tensor | None = None
        self.variance: Tensor | None = None

    @override
    def forward(self, input: Tensor) -> Tensor:
        if self.measuring:
            variance, mean = torch.var_mean(input.float(), (0, 2, 3), correction=0)
            self.mean, self.variance = mean, variance
        if self.mean is None:
            raise RuntimeError("the sample did not come through this norm")
        return functional.batch_norm(
            input, self.mean, self.variance, self.weight, self.bias, training=False, eps=self.eps
        )


def with_shared_statistics(network: Network) -> Network:
    """Give a network whose norms use the statistics of a sample; see `measuring`.

    A pixel then depends on what the network sees around it and on nothing else of its tile: tiles
    fit together however they are cut, but for the border of a tile. A sample that is one whole
    picture gives exactly what a network with norms by tile makes of that picture at once.

    Args:
        network: With batch or instance norms of two dimensions; it stays as it is.

    Returns:
        A network in evaluation. It shares all weights with ``network``.
    """
    return swapped(network, (nn.BatchNorm2d, nn.SyncBatchNorm, nn.InstanceNorm2d), SharedNorm)


@contextmanager
def measuring(network: nn.Module) -> Iterator[None]:
    """Take what a network sees meanwhile, in one call, as the sample."""
    norms = [part for part in network.modules() if isinstance(part, SharedNorm)]
    for norm in norms:
        norm.measuring = True
    try:
        yield
    finally:
        for norm in norms:
            norm.measuring = False
