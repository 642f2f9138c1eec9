"""How layers start when no weights are given."""

from __future__ import annotations

from torch import nn


def kaiming_fan_out(module: nn.Module) -> None:
    """Start convolutions below ``module`` from Kaiming's normal distribution (fan out, ReLU).

    Biases of convolutions keep torch's own start; norms start as the identity anyway.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
