"""Sums of scores that come out the same in any order, on any device, over any number of ranks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

UNIT = 2.0**-32
"""Resolution of a stored score, 2e-10. Whole multiples of it add up without rounding, so the order
of images and ranks cannot change a result; int64 holds two billion of them, and is on every device
(float64 is not)."""


def fixed_point(scores: Iterable[float]) -> tuple[Tensor, Tensor]:
    """Express scores as whole multiples of `UNIT`.

    Args:
        scores: Scores of one image; NaN where it says nothing.

    Returns:
        Multiples, 0 for NaN, and whether each score was a number: both int64, of equal length.
    """
    values = np.array(list(scores), dtype=np.float64)
    number = ~np.isnan(values)
    units = np.rint(np.where(number, values, 0.0) / UNIT)
    return torch.from_numpy(units.astype(np.int64)), torch.from_numpy(number.astype(np.int64))


def means(total: Tensor, count: Tensor) -> list[float]:
    """Average multiples of `UNIT`.

    Args:
        total: Sums of `fixed_point` multiples, int64.
        count: Number of scores in each sum, int64.

    Returns:
        Means; NaN where nothing was counted.
    """
    return [
        units * UNIT / number if number else float("nan")
        for units, number in zip(total.tolist(), count.tolist(), strict=True)
    ]
