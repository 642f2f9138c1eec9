"""How far a made picture is from the true one of the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

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
