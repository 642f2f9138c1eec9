"""Similarity of translated stains to the true ones over a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

from histoseg.metrics.functional.similarity import SIMILARITIES, similarity
from histoseg.metrics.stain_means import StainMeans


class StainScores(StainMeans):
    """SSIM, PSNR and MSE of translated pictures against true ones of the same place.

    Args:
        stains: Names of the stains to score.
        window: Of SSIM: ``gaussian`` as in its paper, ``uniform`` as in BCI's tables; see
            `histoseg.metrics.functional.similarity.ssim`.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Example:
        >>> import torch
        >>> scores = StainScores(["dapi"])
        >>> scores.update({"dapi": torch.zeros(1, 3, 16, 16)}, {"dapi": torch.ones(1, 3, 16, 16)})
        >>> round(scores.compute()["mse/dapi"].item(), 4)
        1.0
    """

    def __init__(
        self,
        stains: Sequence[str],
        window: Literal["gaussian", "uniform"] = "gaussian",
        **kwargs: Any,
    ) -> None:
        super().__init__(stains, SIMILARITIES, **kwargs)
        self.window = window

    def score(self, image: Tensor, pred: Tensor) -> list[float]:
        """Score one image (c, H, W), in [0, 1], against its translation."""
        true, other = (side.permute(1, 2, 0).contiguous().cpu().numpy() for side in (image, pred))
        return list(similarity(true, other, self.window).values())
