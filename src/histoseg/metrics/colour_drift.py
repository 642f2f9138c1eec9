"""Do translated pictures have the colours of real ones, or have they drifted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from histoseg.metrics.functional.densities import DENSITIES, mean_densities
from histoseg.metrics.functional.unit_range import in_unit_range
from histoseg.metrics.image_mean import fixed_point, means
from histoseg.metrics.stain_means import by_stain, named_once


class ColourDrift(Metric):
    """Mean optical density of translated pictures minus that of real ones, by stain.

    Both sides are sets; they need not show the same places. For one picture before and after,
    give it as the one and the other.

    Args:
        stains: Names of brightfield stains to compare.
        kwargs: Passed on to ``torchmetrics.Metric``.
    """

    full_state_update = False
    is_differentiable = False
    total: Tensor
    count: Tensor

    def __init__(self, stains: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stains = named_once(stains)
        zeros = torch.zeros(2, len(self.stains), len(DENSITIES), dtype=torch.int64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("count", zeros.clone(), dist_reduce_fx="sum")

    def update(self, stains: Mapping[str, Tensor], pred_stains: Mapping[str, Tensor]) -> None:
        """Add a batch; a stain may be on one side only.

        Args:
            stains: Real pictures by stain, each (B, 3, H, W), floating in [0, 1].
            pred_stains: Translated ones, as ``stains``, of any number.

        Raises:
            ValueError: If there is none of the stains, a picture is not RGB, or leaves [0, 1].
        """
        if not {*stains, *pred_stains} & set(self.stains):
            raise ValueError(
                f"nothing to compare: of {list(self.stains)}, real pictures are there of "
                f"{list(stains)}, translated ones of {list(pred_stains)}"
            )
        for side, images in enumerate((stains, pred_stains)):
            for row, name in enumerate(self.stains):
                if name in images:
                    self._add(side, row, images[name].detach())

    def _add(self, side: int, row: int, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"{self.stains[row]} is {tuple(images.shape)}; expected RGB pictures (B, 3, H, W)"
            )
        for image in in_unit_range(images, self.stains[row]).movedim(1, -1).cpu().numpy():
            units, number = fixed_point(mean_densities(image))
            self.total[side, row] += units.to(self.total.device)
            self.count[side, row] += number.to(self.count.device)

    def compute(self) -> dict[str, Tensor]:
        """``drift_<density>/<stain>``: of each dye and channel, and the means over stains.

        Decadic optical density; positive where translations are darker. NaN for a stain of which
        a side has not been seen.
        """
        values = torch.tensor(means(self.total.ravel(), self.count.ravel()))
        real, pred = values.view(self.total.shape).to(self.total.device)
        return by_stain(pred - real, self.stains, [f"drift_{name}" for name in DENSITIES])
