"""Learning rates that the curve of a range test suggests."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array

SLIDE_WINDOW = 15
SLIDE_LEVEL = 0.005
FIRST, LAST = 0.1, 5
"""What is left out at both ends: this share of the points, and this many."""


def lr_suggestions(lrs: Array, losses: Array) -> dict[str, float]:
    """Say which learning rates a range test suggests.

    The first tenth of the points and the last five are left out, and points that are not finite.

    Args:
        lrs: (N,), floating point, rising.
        losses: (N,), smoothed losses at these rates.

    Returns:
        By name, empty with fewer than three points left: ``valley``, half way down the longest
        fall of the curve; ``steep``, where the loss falls most per factor of the rate;
        ``minimum``, a tenth of the rate of the lowest loss; ``slide``, before the curve that comes
        from the right becomes flat.

    Source:
        The rules of fastai 2.7.

    Example:
        >>> lrs = np.logspace(-6, 0, 100)
        >>> losses = 1 + (np.log10(lrs) + 2) ** 2 / 16
        >>> {name: f"{lr:.0e}" for name, lr in lr_suggestions(lrs, losses).items()}
        {'valley': '2e-04', 'steep': '4e-06', 'minimum': '1e-03', 'slide': '4e-06'}
    """
    some = slice(int(FIRST * len(lrs)), -LAST)
    lrs, losses = np.asarray(lrs, float)[some], np.asarray(losses, float)[some]
    finite = np.isfinite(losses)
    lrs, losses = lrs[finite], losses[finite]
    if len(lrs) < 3:
        return {}
    return {
        "valley": float(lrs[_valley(losses)]),
        "steep": float(lrs[np.gradient(losses, np.log(lrs)).argmin()]),
        "minimum": float(lrs[losses.argmin()]) / 10,
        "slide": float(lrs[_slide(losses)]),
    }


def _valley(losses: Array) -> int:
    """Half way down the longest falling subsequence of the losses."""
    length = np.ones(len(losses), dtype=int)
    for i in range(1, len(losses)):
        length[i] = 1 + length[:i][losses[:i] > losses[i]].max(initial=0)
    end = int(length.argmax())
    start = max(end - int(length[end]), 0)
    third = (end - start) / 3
    return start + int(third) + int(third / 2)


def _slide(losses: Array) -> int:
    """Where a window that slides from the right first has the same slope at both of its ends."""
    slope = np.gradient(losses)
    window = min(SLIDE_WINDOW, len(losses) - 1)
    left = len(losses) - 1 - window
    while left > 0 and abs(slope[left + window] - slope[left]) > SLIDE_LEVEL:
        left -= 1
    return left
