"""Which parameters learn at which rate, and with which weight decay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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


def layered_optimizer(
    recipe: Callable[..., Optimizer],
    groups: Mapping[str, Sequence[nn.Parameter]],
    factors: Sequence[float],
) -> Optimizer:
    """Build an optimiser whose learning rates rise from the first group to the last.

    Args:
        recipe: Parameter groups to optimiser.
        groups: By name, in the order of depth; what needs no gradient is left out.
        factors: Of the learning rate, of the first and of the last group; those between are spaced
            evenly on a logarithmic scale.

    Returns:
        The optimiser; its groups have names, which the log of learning rates shows.

    Raises:
        ValueError: If there are not two factors above 0.

    Source:
        Discriminative learning rates: Howard and Ruder 2018, https://arxiv.org/abs/1801.06146; the
        spacing is that of fastai's ``even_mults``.
    """
    if len(factors) != 2 or min(factors) <= 0:
        raise ValueError(
            f"lr_range is {list(factors)}; expected two factors above 0, of the first layers' "
            "learning rate and of the last layers', such as [0.01, 0.5]"
        )
    first, last = factors
    steps = max(len(groups) - 1, 1)
    built = recipe(
        [
            {"params": learning, "name": name, "place": place}
            for place, (name, parameters) in enumerate(groups.items())
            if (learning := [p for p in parameters if p.requires_grad])
        ]
    )
    for group in built.param_groups:
        group["lr"] *= first * (last / first) ** (group.pop("place") / steps)
    return built
