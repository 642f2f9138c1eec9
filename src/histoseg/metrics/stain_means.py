"""Means over images of what is said of each translated stain."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from histoseg.metrics.functional.unit_range import in_unit_range
from histoseg.metrics.image_mean import fixed_point, means


class StainMeans(Metric):
    """Score each image of each stain by itself, and average over images, then over stains.

    Images are scored one at a time and their scores added without rounding, so neither the size
    of batches nor the number of ranks changes a result.

    Args:
        stains: Names of the stains to score. They are fixed so that all ranks add up the same
            table, whatever each of them has seen.
        measures: Names of what `score` gives, in its order.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Attributes:
        latest: Scores of each image of the last batch, by stain.

    Raises:
        ValueError: If no stain is named, or one twice.
    """

    full_state_update = False
    is_differentiable = False
    total: Tensor
    count: Tensor

    def __init__(self, stains: Sequence[str], measures: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stains, self.measures = named_once(stains), tuple(measures)
        self.latest: dict[str, list[Sequence[float]]] = {}
        zeros = torch.zeros(len(self.stains), len(self.measures), dtype=torch.int64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("count", zeros.clone(), dist_reduce_fx="sum")

    @abstractmethod
    def score(self, image: Tensor, pred: Tensor) -> Sequence[float]:
        """Score one image (c, H, W), float32 in [0, 1], against its translation."""

    def update(self, stains: Mapping[str, Tensor], pred_stains: Mapping[str, Tensor]) -> None:
        """Add a batch. A stain that only one side has, or that is not to be scored, is left out.

        Args:
            stains: True pictures by stain, each (B, c, H, W), floating in [0, 1].
            pred_stains: Translated ones, as ``stains``.

        Raises:
            ValueError: If no stain can be scored, shapes differ, or a range is not [0, 1].
        """
        common = [name for name in self.stains if name in stains and name in pred_stains]
        if not common:
            raise ValueError(
                f"nothing to score: of {list(self.stains)}, true pictures are there of "
                f"{list(stains)}, translated ones of {list(pred_stains)}"
            )
        self.latest = {}
        for name in common:
            true, pred = stains[name].detach(), pred_stains[name].detach()
            if true.shape != pred.shape or true.ndim != 4:
                raise ValueError(
                    f"{name} is {tuple(true.shape)}, its translation {tuple(pred.shape)}; "
                    "expected both (B, c, H, W), of one size"
                )
            sides = in_unit_range(true, name), in_unit_range(pred, f"the translation to {name}")
            row = self.stains.index(name)
            self.latest[name] = [self.score(*pair) for pair in zip(*sides, strict=True)]
            for scores in self.latest[name]:
                units, number = fixed_point(scores)
                self.total[row] += units.to(self.total.device)
                self.count[row] += number.to(self.count.device)

    def row(self, i: int) -> dict[str, float]:
        """Scores of image i of the last batch: of each stain, and their means over stains."""
        found: dict[str, float] = {}
        for k, measure in enumerate(self.measures):
            each = {f"{measure}/{name}": rows[i][k] for name, rows in self.latest.items()}
            found |= {measure: sum(each.values()) / len(each), **each}
        return found

    def compute(self) -> dict[str, Tensor]:
        """``<measure>/<stain>``, and ``<measure>`` as the mean over stains: float32.

        A stain that was not seen is NaN, and not in the mean.
        """
        values = torch.tensor(means(self.total.ravel(), self.count.ravel()))
        table = values.view(self.total.shape).to(self.total.device)
        return by_stain(table, self.stains, self.measures)


def named_once(stains: Sequence[str]) -> tuple[str, ...]:
    """Names of stains, none of them twice, at least one."""
    names = tuple(stains)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"stains are {list(names)}; name each stain to score, once")
    return names


def by_stain(table: Tensor, stains: Sequence[str], measures: Sequence[str]) -> dict[str, Tensor]:
    """Name the entries of a table (stains, measures), and the means of its columns without NaN."""
    named = {
        f"{measure}/{stain}": table[row, column]
        for column, measure in enumerate(measures)
        for row, stain in enumerate(stains)
    }
    return named | dict(zip(measures, table.nanmean(dim=0), strict=True))
