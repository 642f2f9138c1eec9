"""Batch norms that take their statistics from each tile, so that tiles can go in batches."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def with_tile_statistics(network: Network) -> Network:
    """Give a network whose norms use the statistics of each tile and not the collected ones.

    DeepLIIF predicts so, one tile at a time. The result takes any number: tiles do not mix.

    Args:
        network: A network with batch norms of two dimensions; it stays as it is.

    Returns:
        A network in evaluation with `torch.nn.InstanceNorm2d` instead. It shares all weights with
        ``network``, also when those change; its state has no running statistics.

    Source:
        nadeemlab/DeepLIIF, which drops the running statistics before it predicts.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    copy: Network = _swapped(deepcopy(network, shared))  # type: ignore[assignment]
    return copy.eval()


def _swapped(module: nn.Module) -> nn.Module:
    if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm):
        instance = nn.InstanceNorm2d(module.num_features, eps=module.eps)
        instance.affine = module.affine
        instance.weight, instance.bias = module.weight, module.bias
        return instance
    for name, child in module.named_children():
        setattr(module, name, _swapped(child))
    return module
