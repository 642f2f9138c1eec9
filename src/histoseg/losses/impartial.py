"""What ImPartial minimises, and the three baselines that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from histoseg.losses.mixture import MixtureLayout, TaskOutput
from histoseg.losses.scribbles import (
    Distribution,
    mixture_loss,
    mumford_shah_loss,
    picture_loss,
    scribble_loss,
    total_variation,
)

TERMS = ("foreground", "background", "reconstruction", "regularisation")
Reconstruction = Literal["mixture", "picture", "mumford_shah", "none"]


@dataclass(frozen=True)
class ImPartialLoss:
    """Scribbles, reconstruction and regularisation of all tasks.

    Attributes:
        layout: What the network gives.
        weights: Factor of each of `TERMS`; those that are 0 or not named are not computed.
        reconstruction: ``mixture``: by means of components at blind spots; ``picture``: by a
            picture of its own; ``mumford_shah``: by mean values, at all pixels; ``none``.
        distribution: Of ``mixture``.
        form: Of the scribble loss.
        variation: Steps of the regularisation, absolute or squared.

    Raises:
        ValueError: If a setting is unknown, or all weights are 0.
    """

    layout: MixtureLayout
    weights: Mapping[str, float]
    reconstruction: Reconstruction = "mixture"
    distribution: Distribution = "gaussian"
    form: Literal["ce", "l1", "l2"] = "ce"
    variation: Literal["l1", "l2"] = "l1"

    def __post_init__(self) -> None:
        """Refuse settings that are not there, which the original takes for its default."""
        known = {
            "reconstruction": ("mixture", "picture", "mumford_shah", "none"),
            "distribution": ("gaussian", "laplacian"),
            "form": ("ce", "l1", "l2"),
            "variation": ("l1", "l2"),
        }
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected {', '.join(values)}")
        if unknown := set(self.weights) - set(TERMS):
            raise ValueError(f"weights name {sorted(unknown)}: expected some of {list(TERMS)}")
        if not any(self.weights.values()):
            raise ValueError(f"all of weights are 0: give some of {list(TERMS)} one")

    def __call__(
        self, raw: Tensor, image: Tensor, scribbles: Tensor, blind: Tensor
    ) -> dict[str, Tensor]:
        """Compute the terms of a batch.

        Args:
            raw: (B, outputs, H, W), or (T, B, outputs, H, W) of T stochastic passes, whose
                probabilities and statistics are averaged.
            image: (B, C, H, W), as it was before any spot was made blind.
            scribbles: (B, S, H, W), bool, in the order of the tasks: classes, then background.
            blind: (B, C, H, W), bool: the spots whose values were replaced.

        Returns:
            ``loss`` and the terms that have a weight, not weighed; scalars.
        """
        with torch.autocast(raw.device.type, enabled=False):
            return self._terms(
                raw.float() if raw.dtype.itemsize < 4 else raw, image, scribbles, blind
            )

    def _terms(
        self, raw: Tensor, image: Tensor, scribbles: Tensor, blind: Tensor
    ) -> dict[str, Tensor]:
        tasks = self.layout.read(raw)
        if raw.ndim == 5:
            tasks = [_mean_of_passes(task) for task in tasks]
        size, image, blind = image.shape[-2:], image.flatten(2), blind.flatten(2)
        terms = self._scribbled(tasks, scribbles.flatten(2))
        if self.reconstruction != "none":
            terms["reconstruction"] = self._reconstructed(tasks, raw, image, blind)
        if self.weights.get("regularisation"):
            costs = [total_variation(task.components, size, self.variation) for task in tasks]
            weights = [task.weight for task in self.layout.tasks]
            terms["regularisation"] = _weighed(torch.stack(costs), weights)
        used = {name: term for name, term in terms.items() if self.weights.get(name)}
        total = torch.stack([self.weights[name] * term for name, term in used.items()]).sum()
        return {"loss": total, **used}

    def _scribbled(self, tasks: list[TaskOutput], scribbles: Tensor) -> dict[str, Tensor]:
        costs = scribble_loss(torch.cat([t.classes for t in tasks], 1), scribbles, self.form)
        own = [task.plane_weights() for task in self.layout.tasks]
        foreground = [w for classes in own for w in (*classes[:-1], 0.0)]
        background = [w for classes in own for w in (*[0.0] * (len(classes) - 1), classes[-1])]
        return {
            "foreground": _weighed(costs, foreground),
            "background": _weighed(costs, background),
        }

    def _reconstructed(
        self, tasks: list[TaskOutput], raw: Tensor, image: Tensor, blind: Tensor
    ) -> Tensor:
        if self.reconstruction == "picture":
            picture = self.layout.picture(raw)
            return picture_loss(picture.mean(0) if raw.ndim == 5 else picture, image, blind).mean()
        costs, weights = [], []
        for task, made in zip(self.layout.tasks, tasks, strict=True):
            some = list(task.channels)
            weights += task.reconstruction_weights()
            if self.reconstruction == "mumford_shah":
                costs.append(mumford_shah_loss(made.components, image[:, some]))
            else:
                costs.append(mixture_loss(made, image[:, some], blind[:, some], self.distribution))
        return _weighed(torch.cat(costs), weights)


def _mean_of_passes(task: TaskOutput) -> TaskOutput:
    log_std = None if task.log_std is None else task.log_std.mean(0)
    return TaskOutput(task.components.mean(0), task.classes.mean(0), task.means.mean(0), log_std)


def _weighed(costs: Tensor, weights: Sequence[float]) -> Tensor:
    return (costs * _constant(tuple(weights), costs.device, costs.dtype)).sum()


@cache
def _constant(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.tensor(values, device=device, dtype=dtype)
