"""What a loading code does: named operations that make one channel of an image out of a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import ContractError

CHANNELS, OWN, DROPOUT = range(51), range(51, 200), 200
"""Codes that are channels; codes of the table; from here on the code 200 lower, with dropout."""
Evaluation = Literal["first", "mean", "stochastic"]
_DEEPEST = 8


@dataclass(frozen=True)
class Draw:
    """One loading of one stack.

    Attributes:
        plane: A channel by number: (H, W), float32 in [0, 1].
        size: (height, width).
        rng: What decides; None where nothing is left to chance.
        rates: Dropout rates by name: ``channel`` and ``merge``.
        mean: Without chance: whether a random choice becomes the mean of all, not the first.
    """

    plane: Callable[[int], Array]
    size: tuple[int, int]
    rng: np.random.Generator | None
    rates: Mapping[str, float]
    mean: bool = False

    def keeps(self, rate: float | str | None) -> bool:
        """Whether something that is dropped at some rate, or at a named one, stays this time."""
        if self.rng is None or rate is None:
            return True
        share = self.rates[rate] if isinstance(rate, str) else rate
        return self.rng.random() >= share

    def black(self) -> Array:
        """Zeros."""
        return np.zeros(self.size, np.float32)


class Operation(Protocol):
    """Makes one channel."""

    def load(self, draw: Draw) -> Array:
        """Make it: (H, W), float32 in [0, 1]. The array may be shared and is not changed."""


@dataclass(frozen=True)
class Channel:
    """One channel of the stack."""

    channel: int

    def load(self, draw: Draw) -> Array:
        """Read it."""
        return draw.plane(self.channel)


@dataclass(frozen=True)
class RandomChannel:
    """One of some channels, all equally often."""

    channels: tuple[int, ...]

    def load(self, draw: Draw) -> Array:
        """Read one; without chance the first, or the mean of all."""
        if draw.rng is not None:
            return draw.plane(self.channels[draw.rng.integers(len(self.channels))])
        if not draw.mean:
            return draw.plane(self.channels[0])
        total = sum((draw.plane(c) for c in self.channels), draw.black())
        return np.asarray(total / np.float32(len(self.channels)))


@dataclass(frozen=True)
class Merge:
    """The sum of some channels by their number: one that is dropped leaves the image dimmer."""

    channels: tuple[int, ...]
    dropout: float | str | None = None

    def load(self, draw: Draw) -> Array:
        """Add up those that are kept."""
        kept = [c for c in self.channels if draw.keeps(self.dropout)]
        if not kept:
            return draw.black()
        total = draw.plane(kept[0]).copy()
        for channel in kept[1:]:
            total += draw.plane(channel)
        total /= np.float32(len(self.channels))
        return total


@dataclass(frozen=True)
class Black:
    """Zeros."""

    def load(self, draw: Draw) -> Array:
        """Zeros."""
        return draw.black()


@dataclass(frozen=True)
class Dropout:
    """Another operation, or at some rate zeros."""

    of: Operation
    rate: float | str = "channel"

    def load(self, draw: Draw) -> Array:
        """Load it, or zeros."""
        return self.of.load(draw) if draw.keeps(self.rate) else draw.black()


def operation(code: Any, table: Mapping[int, Any], depth: int = 0) -> Operation:
    """Look up what a code does.

    Args:
        code: A number, or an entry as the table has them: ``{op: merge, channels: [0, 3]}``.
        table: Codes 51 to 199.
        depth: How many codes asked for this one.

    Raises:
        ContractError: If there is no such code or operation, or its settings are wrong.
    """
    if depth > _DEEPEST:
        raise ContractError(f"loading code {code} asks for itself; break the circle")
    if not isinstance(code, Mapping):
        return _numbered(code, table, depth)
    settings = dict(code)
    name = settings.pop("op", None)
    makers: dict[Any, Callable[..., Operation]] = {
        "channel": lambda channel: Channel(_channel(channel)),
        "random": lambda channels: RandomChannel(_channels(channels)),
        "merge": lambda channels, dropout=None: Merge(_channels(channels), _rate(dropout)),
        "black": Black,
        "dropout": lambda of, rate="channel": Dropout(
            operation(of, table, depth + 1), _rate(rate) or 0.0
        ),
    }
    if name not in makers:
        raise ContractError(
            f"loading code {dict(code)}: there is no operation {name!r}; expected op: "
            f"{', '.join(makers)}"
        )
    try:
        return makers[name](**settings)
    except TypeError as error:
        raise ContractError(f"loading code {dict(code)}: {_plain(error)}") from error


def _numbered(code: Any, table: Mapping[int, Any], depth: int) -> Operation:
    if isinstance(code, bool) or not isinstance(code, int) or code < 0:
        raise ContractError(f"loading code {code!r}: expected a whole number, or op: and settings")
    if code in CHANNELS:
        return Channel(code)
    if code in table:
        return operation(table[code], table, depth + 1)
    if code >= DROPOUT:
        return Dropout(_numbered(code - DROPOUT, table, depth + 1))
    raise ContractError(
        f"loading code {code} is not defined; there are 0 to {CHANNELS[-1]} (channels), "
        f"{', '.join(map(str, sorted(table)))}, and each of these + {DROPOUT} (with channel "
        f"dropout). Define it: +data.dataset.loading.table.{code}={{op: random, channels: [1, 2]}}"
    )


def _channel(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is no channel; expected a whole number of 0 or more")
    return value


def _channels(values: Any) -> tuple[int, ...]:
    if isinstance(values, str | int) or not isinstance(values, Sequence) or not values:
        raise TypeError(f"channels: {values!r}; expected a list of numbers")
    return tuple(_channel(v) for v in values)


def _rate(value: Any) -> float | str | None:
    if value is None or value in ("merge", "channel"):
        return value  # type: ignore[no-any-return]
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise TypeError(f"rate {value!r}; expected a share of 0 to 1, merge or channel")


def _plain(error: TypeError) -> str:
    return str(error).replace("operation.<locals>.<lambda>()", "it")
