"""How far a made picture is from the true one of the same place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_BLURS = 4  # between two scales
FEATURE_WEIGHTS: Final = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Of relu1_1 to relu5_1 of VGG19, as in pix2pixHD and DeepLIIF."""


def smooth_l1(made: Tensor, true: Tensor) -> Tensor:
    """Average half the squared difference below 1, and the difference less a half above.

    Args:
        made: (B, C, H, W), floating, in [-1, 1].
        true: As ``made``.

    Returns:
        A scalar, float32.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> smooth_l1(torch.tensor([[[[0.5, 2.0]]]]), torch.zeros(1, 1, 1, 2))
        tensor(0.8125)
    """
    if made.shape != true.shape:
        raise ValueError(f"made is {tuple(made.shape)}, true {tuple(true.shape)}: expected alike")
    return functional.smooth_l1_loss(made.float(), true.float())


def feature_distance(
    made: Sequence[Tensor], true: Sequence[Tensor], weights: Sequence[float] = FEATURE_WEIGHTS
) -> Tensor:
    """Sum of the mean absolute differences of feature maps, weighted.

    Args:
        made: Feature maps of the made picture, floating.
        true: Those of the true one, of the same shapes; no gradient goes there.
        weights: One for each.

    Returns:
        A scalar, float32.

    Raises:
        ValueError: If there are not equally many of each.

    Source:
        Wang et al. 2018, "pix2pixHD"; nadeemlab/DeepLIIF.

    Example:
        >>> feature_distance([torch.ones(1, 1, 2, 2)], [torch.zeros(1, 1, 2, 2)], [0.5])
        tensor(0.5000)
    """
    if not len(made) == len(true) == len(weights):
        raise ValueError(
            f"{len(made)} and {len(true)} feature maps with {len(weights)} weights: expected as "
            "many of each"
        )
    terms = [
        weight * functional.l1_loss(m.float(), t.detach().float())
        for m, t, weight in zip(made, true, weights, strict=True)
    ]
    return torch.stack(terms).sum()


@dataclass(frozen=True)
class PyramidL1:
    """Sum of the mean absolute differences at several scales.

    Attributes:
        scales: Number of scales; each has half the height and width of the one before, which is
            blurred four times by a Gaussian of 3 px and sigma 1. One is the plain distance.

    Raises:
        ValueError: If there is no scale.

    Source:
        Liu et al. 2022, "BCI", https://arxiv.org/abs/2204.11425; bupt-ai-cz/BCI. A blur is linear,
        so the difference is blurred here, and not both pictures.
    """

    scales: int = 4

    def __post_init__(self) -> None:
        """Refuse a sum of nothing."""
        if self.scales < 1:
            raise ValueError(f"scales is {self.scales}; expected 1 or more")

    def __call__(self, made: Tensor, true: Tensor) -> Tensor:
        """Compare a batch.

        Args:
            made: (B, C, H, W), floating; 2 px or more at the last scale.
            true: As ``made``.

        Returns:
            A scalar, float32.

        Raises:
            ValueError: If the shapes differ, or the picture is too small.

        Example:
            >>> PyramidL1(3)(torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
            tensor(3.)
        """
        least = 2**self.scales if self.scales > 1 else 1
        if made.shape != true.shape or min(made.shape[-2:]) < least:
            raise ValueError(
                f"made is {tuple(made.shape)}, true {tuple(true.shape)}: expected alike, and "
                f"{least} px or more for {self.scales} scales"
            )
        difference = made.float() - true.float()
        total = difference.abs().mean()
        for _ in range(self.scales - 1):
            for _ in range(_BLURS):
                difference = _blurred(difference)
            difference = difference[..., ::2, ::2]
            total = total + difference.abs().mean()
        return total


def _blurred(picture: Tensor) -> Tensor:
    """Convolve by a Gaussian of 3 px and sigma 1, mirrored at the edges."""
    side = math.exp(-0.5) / (1 + 2 * math.exp(-0.5))
    padded = functional.pad(picture, (1, 1, 1, 1), mode="reflect")
    rows = padded[..., 1:-1, :] * (1 - 2 * side) + side * (padded[..., :-2, :] + padded[..., 2:, :])
    middle = rows[..., 1:-1] * (1 - 2 * side)
    return middle + side * (rows[..., :-2] + rows[..., 2:])
