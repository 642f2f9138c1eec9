"""Batch norms that take their statistics from each tile, so that tiles can go in batches."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

Network = TypeVar("Network", bound=nn.Module)


class TileNorm(nn.InstanceNorm2d):
    """An instance norm that is fast on a processor too.

    There torch's own copies what has its channels last, so each tile goes through a batch norm,
    which is the same.
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu":
            return super().forward(input)
        tiles = [
            functional.batch_norm(
                tile, None, None, self.weight, self.bias, training=True, eps=self.eps
            )
            for tile in torch.split(input, 1)
        ]
        return tiles[0] if len(tiles) == 1 else torch.cat(tiles)


def with_tile_statistics(network: Network) -> Network:
    """Give a network whose norms use the statistics of each tile and not the collected ones.

    DeepLIIF predicts so, one tile at a time. The result takes any number: tiles do not mix.

    Args:
        network: A network with batch norms of two dimensions; it stays as it is.

    Returns:
        A network in evaluation with `TileNorm` instead. It shares all weights with ``network``,
        also when those change; its state has no running statistics.

    Source:
        nadeemlab/DeepLIIF, which drops the running statistics before it predicts.
    """
    return swapped(network, (nn.BatchNorm2d, nn.SyncBatchNorm), _of_tile)


def swapped(
    network: Network, norms: tuple[type[nn.Module], ...], other: Callable[[Any], nn.Module]
) -> Network:
    """Give a copy of a network in evaluation, with other norms; it shares all weights.

    Args:
        network: It stays as it is.
        norms: Which are exchanged.
        other: What stands for one of them.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    copy: Network = _swapped(deepcopy(network, shared), norms, other)  # type: ignore[assignment]
    return copy.eval()


def _swapped(
    module: nn.Module, norms: tuple[type[nn.Module], ...], other: Callable[[Any], nn.Module]
) -> nn.Module:
    if isinstance(module, norms):
        return other(module)
    for name, child in module.named_children():
        setattr(module, name, _swapped(child, norms, other))
    return module


def _of_tile(norm: nn.BatchNorm2d | nn.SyncBatchNorm) -> TileNorm:
    instance = TileNorm(norm.num_features, eps=norm.eps)
    instance.affine = norm.affine
    instance.weight, instance.bias = norm.weight, norm.bias
    return instance
