"""How different translated stains look from the true ones, over a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from histoseg.metrics.frozen import Frozen
from histoseg.metrics.stain_means import StainMeans


class PerceptualScores(StainMeans):
    """LPIPS of translated pictures against true ones of the same place.

    Args:
        stains: Names of the stains to score.
        network: Distance of pictures, such as `histoseg.metrics.lpips.Lpips`: two (B, c, H, W),
            float32 in [0, 1], to (B,).
        kwargs: Passed on to ``torchmetrics.Metric``.
    """

    higher_is_better = False

    def __init__(self, stains: Sequence[str], network: nn.Module, **kwargs: Any) -> None:
        super().__init__(stains, ("lpips",), **kwargs)
        self.network = Frozen(network)

    def score(self, image: Tensor, pred: Tensor) -> list[float]:
        """Score one image (c, H, W), in [0, 1], against its translation."""
        return [self.network(image[None].float(), pred[None].float()).item()]
