"""How layers start when no weights are given."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

Initial = Literal["normal", "xavier", "kaiming", "orthogonal", "torch"]


def kaiming_fan_out(module: nn.Module) -> None:
    """Start convolutions below ``module`` from Kaiming's normal distribution (fan out, ReLU).

    Biases of convolutions keep torch's own start; norms start as the identity anyway.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def small_start(module: nn.Module, initial: Initial = "normal", gain: float = 0.02) -> None:
    """Start layers below ``module`` as adversarial networks do: small, biases zero.

    Scales of batch norms start from N(1, gain). Weights under a spectral norm keep torch's own
    start: their size means nothing.

    Args:
        module: Its convolutions, plain and transposed, and its linear layers are started anew.
        initial: ``normal``: from N(0, gain). ``xavier`` and ``orthogonal``: times gain.
            ``kaiming``: fan in, without gain. ``torch``: everything is left as torch made it.
        gain: Standard deviation or factor, as said.

    Raises:
        ValueError: If ``initial`` is none of these.

    Source:
        junyanz/pytorch-CycleGAN-and-pix2pix ``networks.py``.
    """
    if initial not in get_args(Initial):
        raise ValueError(f"initial {initial!r} is unknown; choose one of {get_args(Initial)}")
    if initial == "torch":
        return
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if not is_parametrized(layer, "weight"):
                _start_weight(layer, initial, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, gain)
            nn.init.zeros_(layer.bias)


def _start_weight(
    layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, initial: Initial, gain: float
) -> None:
    if initial == "normal":
        nn.init.normal_(layer.weight, 0.0, gain)
    elif initial == "xavier":
        nn.init.xavier_normal_(layer.weight, gain=gain)
    elif initial == "kaiming":
        nn.init.kaiming_normal_(layer.weight, mode="fan_in")
    else:
        nn.init.orthogonal_(layer.weight, gain=gain)
