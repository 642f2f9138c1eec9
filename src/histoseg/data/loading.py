"""Which channels of a stack become the image that a network sees: loading codes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.data.loading_ops import OWN, Draw, Evaluation, operation
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.slides.stack import Layout, Stack, Stacks

_log = logging.getLogger(__name__)
Scale = Literal["max", "percentile", "minmax"]
_PERCENTILES = (1.0, 99.8)


class Loading:
    """One loading code for each channel of the image.

    Codes 0 to 50 are channels of the stack; 51 to 199 stand in the table; 200 and above are the
    code 200 lower, black at the rate ``channel_dropout``.

    Args:
        codes: One a channel of the image: numbers, or entries as the table has them.
        table: Code to operation, such as ``{111: {op: merge, channels: [0, 3, 6]}}``.
        channel_dropout: How often codes of 200 and above are black, 0 to 1.
        merge_dropout: How often a channel of a merge with ``dropout: merge`` is left out.
        scale: How each channel of the stack is brought to [0, 1] by itself: ``max`` divides by its
            highest value, ``minmax`` subtracts its lowest first, ``percentile`` takes the 1st and
            the 99.8th percentile for these and clips.
        evaluation: Outside of training: ``first`` leaves nothing to chance, drops nothing and takes
            the first of a random choice; ``mean`` the mean of all; ``stochastic`` draws as in
            training, always the same for the same file.
        layout: As in `histoseg.slides.stack.Stack`.

    Raises:
        ContractError: If a code is not defined, or a setting is out of range.

    Source:
        Cameron et al. 2021, https://doi.org/10.1063/5.0027993
    """

    def __init__(
        self,
        codes: Sequence[Any],
        table: Mapping[Any, Any] | None = None,
        channel_dropout: float = 0.0,
        merge_dropout: float = 0.0,
        scale: Scale = "max",
        evaluation: Evaluation = "first",
        layout: Layout = "axes",
    ) -> None:
        self.table = _checked({} if table is None else table)
        if not codes:
            raise ContractError("there is no loading code; give one for each channel of the image")
        self.operations = tuple(operation(code, self.table) for code in codes)
        self.rates = {"channel": channel_dropout, "merge": merge_dropout}
        for name, rate in self.rates.items():
            if not 0 <= rate <= 1:
                raise ContractError(f"{name}_dropout is {rate}; expected a share of 0 to 1")
        for what, value, kinds in (("scale", scale, Scale), ("evaluation", evaluation, Evaluation)):
            if value not in get_args(kinds):
                raise ContractError(f"{what} is {value!r}; expected one of {get_args(kinds)}")
        if layout not in get_args(Layout):
            raise ContractError(f"layout is {layout!r}; expected one of {get_args(Layout)}")
        self.scale, self.evaluation = scale, evaluation
        self.stacks = Stacks(layout)
        self._told: set[int] = set()

    @property
    def channels(self) -> int:
        """Of the image."""
        return len(self.operations)

    def read(self, path: Path, rng: np.random.Generator | None = None) -> Array:
        """Read the image of a stack; only the channels that the codes ask for are read.

        Args:
            path: TIFF or OME-TIFF.
            rng: Decides in training; None reads as ``evaluation`` says.

        Returns:
            (H, W, channels), float32 in [0, 1].

        Raises:
            UnreadableFileError: If it cannot be read, lacks a channel, or holds NaN.
        """
        stack = self.stacks(path)
        if rng is None and self.evaluation == "stochastic":
            rng = np.random.default_rng([*path.name.encode()])
        planes: dict[int, Array] = {}

        def plane(channel: int) -> Array:
            if channel not in planes:
                planes[channel] = self._scaled(stack, channel)
            return planes[channel]

        draw = Draw(plane, stack.size, rng, self.rates, self.evaluation == "mean")
        made = [op.load(draw) for op in self.operations]
        if len(made) == 1:
            return made[0][..., None]
        return np.asarray(cv2.merge(made))

    def _scaled(self, stack: Stack, channel: int) -> Array:
        plane = stack.plane(channel)
        low, high = self._range(plane)
        if not np.isfinite((low, high)).all():
            raise UnreadableFileError(
                f"{stack.path}: channel {channel} holds NaN or infinite values; expected numbers"
            )
        if high <= low:
            if channel not in self._told:  # once, not for each of thousands
                self._told.add(channel)
                _log.warning("%s: channel %d is empty and read as black", stack.path, channel)
            return np.zeros(plane.shape, np.float32)
        scaled = plane.astype(np.float32)
        if low != 0:
            scaled -= np.float32(low)
        scaled /= np.float32(high - low)
        if plane.dtype.kind == "u" and self.scale != "percentile":  # within 0 and 1 already
            return scaled
        return np.clip(scaled, 0, 1, out=scaled)

    def _range(self, plane: Array) -> tuple[float, float]:
        if self.scale == "percentile":
            low, high = np.percentile(plane, _PERCENTILES)
            return float(low), float(high)
        return (float(plane.min()) if self.scale == "minmax" else 0.0), float(plane.max())


def _checked(table: Mapping[Any, Any]) -> dict[int, Any]:
    """The table by number: a key from the command line is text, and the later one counts."""
    found: dict[int, Any] = {}
    for key, entry in table.items():
        if not str(key).isdecimal() or int(key) not in OWN:
            raise ContractError(
                f"loading.table has code {key}; own codes are {OWN[0]} to {OWN[-1]} (below are "
                "channels, above is dropout)"
            )
        found[int(key)] = entry
    for entry in found.values():
        operation(entry, found)
    return found
