"""How the channels of a network that explains an image by mixtures are laid out, and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class MixtureTask:
    """One group of classes that exclude each other, and its background.

    Attributes:
        components: Mixture components of each class and, last, of the background.
        channels: Channels of the image whose values the components have means of.
        weight: Of the task, in every loss.
        class_weights: Of each class in the scribble loss; empty for equal ones that sum to 1.
        channel_weights: Of each of ``channels``, likewise.

    Raises:
        ValueError: If a number does not fit.
    """

    components: tuple[int, ...]
    channels: tuple[int, ...]
    weight: float = 1.0
    class_weights: tuple[float, ...] = ()
    channel_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse counts and weights that do not fit."""
        if len(self.components) < 2 or min(self.components) < 1:
            raise ValueError(
                f"components are {self.components}: expected 1 or more of each class, and then of "
                "the background"
            )
        for weights, what in ((self.class_weights, self.classes), (self.channel_weights, None)):
            count = len(self.channels) if what is None else what
            if len(weights) not in (0, count):
                raise ValueError(f"{len(weights)} weights {weights} for {count}: give one each")

    @property
    def classes(self) -> int:
        """Number of classes without the background."""
        return len(self.components) - 1

    @property
    def total(self) -> int:
        """Number of components."""
        return sum(self.components)

    def plane_weights(self) -> list[float]:
        """Of each plane of scribbles: its classes, and its background."""
        classes = self.class_weights or (1 / self.classes,) * self.classes
        return [self.weight * w for w in (*classes, 1.0)]

    def reconstruction_weights(self) -> list[float]:
        """Of each of ``channels``."""
        count = len(self.channels)
        return [self.weight * w for w in self.channel_weights or (1 / max(count, 1),) * count]


class TaskOutput(NamedTuple):
    """What the network says of one task.

    Attributes:
        components: (..., K, N), probabilities: of the N pixels, each sums to 1 over K.
        classes: (..., C + 1, N), sums of the components of each class, the background last.
        means: (..., R, K, N), values of each channel; R is 0 for a network without.
        log_std: As ``means``; None where the spread is 1.
    """

    components: Tensor
    classes: Tensor
    means: Tensor
    log_std: Tensor | None


@dataclass(frozen=True)
class MixtureLayout:
    """Which channel of the network means what.

    Task by task: a logit of each component, then for each channel a mean of each component and,
    with ``log_std``, the logarithm of its spread. ``direct`` channels are last.

    Attributes:
        tasks: In order.
        means: Whether there are means.
        log_std: Whether there are spreads.
        direct: Channels that are a picture of the image itself.

    Source:
        nadeemlab/ImPartial ``impartialLosses.py``.

    Example:
        >>> MixtureLayout((MixtureTask((2, 2), (0, 1)),)).outputs
        12
    """

    tasks: tuple[MixtureTask, ...]
    means: bool = True
    log_std: bool = False
    direct: int = 0

    @property
    def outputs(self) -> int:
        """Channels of the network."""
        return sum(self._sizes()) + self.direct

    def read(self, raw: Tensor) -> list[TaskOutput]:
        """Apply the softmax of each task.

        Args:
            raw: (..., outputs, H, W), what the network gives.
        """
        parts = torch.split(raw.flatten(-2), [*self._sizes(), self.direct], dim=-2)
        return [self._task(task, part) for task, part in zip(self.tasks, parts, strict=False)]

    def picture(self, raw: Tensor) -> Tensor:
        """The ``direct`` channels: (..., direct, N)."""
        return raw.flatten(-2)[..., self.outputs - self.direct :, :]

    def _task(self, task: MixtureTask, part: Tensor) -> TaskOutput:
        count = len(task.channels) * self.means
        components = part[..., : task.total, :].softmax(-2)
        shape = (*part.shape[:-2], count, 1 + self.log_std, task.total, part.shape[-1])
        statistics = part[..., task.total :, :].reshape(shape)
        return TaskOutput(
            components,
            class_sums(components, task.components),
            statistics[..., 0, :, :],
            statistics[..., 1, :, :] if self.log_std else None,
        )

    def _sizes(self) -> list[int]:
        each = self.means * (1 + self.log_std)
        return [task.total * (1 + len(task.channels) * each) for task in self.tasks]


def class_sums(components: Tensor, counts: Sequence[int]) -> Tensor:
    """Probabilities of classes: (..., K, N) and the number of components of each, to (..., C, N).

    Raises:
        ValueError: If the counts are not of K components.
    """
    if components.shape[-2] != sum(counts):
        raise ValueError(f"{components.shape[-2]} components are not {tuple(counts)} together")
    members = _members(tuple(counts), components.device, components.dtype)
    sums: Tensor = members @ components
    return sums


@cache
def _members(counts: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Which component is of which class: (C, K), 0 or 1."""
    owner = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return functional.one_hot(owner).T.to(device, dtype)
