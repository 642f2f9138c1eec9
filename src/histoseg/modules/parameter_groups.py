"""Which parameters learn at which rate, and with which weight decay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import Optimizer


def grouped_optimizer(
    recipe: Callable[..., Optimizer],
    parameters: Iterable[nn.Parameter],
    encoder: nn.Module | None,
    *,
    encoder_lr: float,
    decay_norms: bool,
) -> Optimizer:
    """Build an optimiser whose groups are the encoder and the rest.

    Schedules multiply the rate of each group, so the factor holds all through a phase.

    Args:
        recipe: Parameter groups to optimiser.
        parameters: Those that need a gradient are optimised.
        encoder: What has a learning rate of its own; None if there is no such part.
        encoder_lr: Factor of its learning rate.
        decay_norms: Whether weight decay also concerns what has one dimension: biases, and scales
            and shifts of norms.

    Returns:
        The optimiser; its groups have names, which the log of learning rates shows.

    Raises:
        ValueError: If the factor is not above 0, or there is no encoder to apply it to.

    Source:
        One dimension as the sign of norms and biases: timm ``param_groups_weight_decay``.
    """
    if encoder_lr <= 0:
        raise ValueError(
            f"encoder_lr is {encoder_lr}; expected a factor above 0. freeze_encoder=full holds it"
        )
    if encoder is None and encoder_lr != 1:
        raise ValueError(f"encoder_lr is {encoder_lr}, but the network has no part called encoder")
    inside = set() if encoder is None else {id(p) for p in encoder.parameters()}
    groups: dict[str, dict[str, Any]] = {}
    for parameter in parameters:
        if not parameter.requires_grad:
            continue
        name = "encoder" if id(parameter) in inside else "rest"
        settings: dict[str, Any] = {}
        if not decay_norms and parameter.ndim <= 1:
            name, settings = f"{name} without decay", {"weight_decay": 0.0}
        group = groups.setdefault(name, {"params": [], "name": name, **settings})
        group["params"].append(parameter)
    optimizer = recipe(list(groups.values()))
    for group in optimizer.param_groups:
        if group["name"].startswith("encoder"):
            group["lr"] *= encoder_lr
    return optimizer
