"""Shares of counts."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array


def ratio(part: Array, whole: Array) -> Array:
    """Divide; NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    nothing = np.full(part.shape, np.nan)
    return np.asarray(np.divide(part, whole, out=nothing, where=whole != 0))
