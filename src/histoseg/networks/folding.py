"""Fewer passes over memory when a network only predicts."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norms(network: Network) -> Network:
    """Multiply the batch norms that follow a convolution into its weights.

    In modules of ours a ``bn<i>`` directly follows the ``conv<i>`` beside it, if there is one.
    Norms in front of a convolution and encoders of timm stay as they are.

    Args:
        network: Any network; it is not changed.

    Returns:
        A copy in evaluation mode that predicts the same up to rounding. It is for prediction: its
        state dict has other keys, and it must not be trained.
    """
    folded = deepcopy(network).eval()
    for module in folded.modules():
        if not type(module).__module__.startswith("histoseg."):
            continue
        for norm_name in [n for n, _ in module.named_children() if re.fullmatch(r"bn\d", n)]:
            name = norm_name.replace("bn", "conv")
            convolution, norm = getattr(module, name, None), getattr(module, norm_name)
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, norm_name, nn.Identity())
    return folded
