"""Parts of networks that do not learn, by name for fine-tuning, or for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

_log = logging.getLogger(__name__)


def freeze(network: nn.Module, parts: Sequence[str], name: str) -> None:
    """Hold parts of a network still, and log how much of it learns.

    Args:
        network: Its children are the parts.
        parts: Names of children; of one that is a list, ``blocks:7`` are the first seven and
            ``blocks:-2`` all but the last two.
        name: Of the network, for the log.

    Raises:
        ValueError: If there is no such part, or its end is no number.

    Example:
        >>> network = nn.ModuleDict({"blocks": nn.Sequential(*(nn.Linear(1, 1) for _ in "abc"))})
        >>> freeze(network, ["blocks:-1"], "example")
        >>> [part.weight.requires_grad for part in network["blocks"]]
        [False, False, True]
    """
    for part in parts:
        for held in _found(network, part):
            held.requires_grad_(False)
    if parts:
        numbers = [(p.numel(), p.requires_grad) for p in network.parameters()]
        learning = sum(count for count, learns in numbers if learns)
        total = sum(count for count, _ in numbers)
        _log.info("%s: %d of %d parameters learn", name, learning, total)


def _found(network: nn.Module, part: str) -> list[nn.Module]:
    child, colon, end = part.partition(":")
    children = dict(network.named_children())
    if child not in children:
        raise ValueError(
            f"{part!r} is no part of {type(network).__name__}; it has {', '.join(children)}"
        )
    found = children[child]
    if not colon:
        return [found]
    if not isinstance(found, nn.Sequential | nn.ModuleList):
        raise ValueError(f"{part!r}: {child} is not a list of layers; name it without an end")
    try:
        return list(found)[: int(end)]
    except ValueError as error:
        raise ValueError(f"{part!r}: expected a whole number behind the colon") from error


@contextmanager
def fixed(modules: nn.Module) -> Iterator[None]:
    """Let no parameter learn for a while."""
    learning = [p for p in modules.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
