from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import shapely

from histoseg.contracts import Array


@dataclass(frozen=True)
class Region:
    """An outlined part of an image.

    Attributes:
        name: What it is called.
        rings: Its outline, then holes and parts apart by the even-odd rule; each (K, 2), pixel
            centres on integers.
    """

    name: str
    rings: tuple[Array, ...]

    def shape(self) -> Any:
        """As a valid geometry of shapely."""
        parts = [shapely.make_valid(shapely.Polygon(ring)) for ring in self.rings]
        return reduce(shapely.symmetric_difference, parts)

    def contains(self, xy: Array) -> Array:
        """Whether each point (N, 2) lies inside: (N,), bool."""
        shape = self.shape()
        left, top, right, bottom = shape.bounds
        x, y = np.asarray(xy, np.float64).reshape(-1, 2).T
        inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        shapely.prepare(shape)
        inside[inside] = shapely.contains_xy(shape, x[inside], y[inside])
        return np.asarray(inside)

    def area(self) -> float:
        """Square pixels."""
        return float(self.shape().area)
