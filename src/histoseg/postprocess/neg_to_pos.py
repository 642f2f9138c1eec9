"""Negative cells of a Seg picture made positive: what an IHC generator makes new images of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from histoseg.contracts import Array
from histoseg.postprocess.deepliif_cells import DeepLIIFCells
from histoseg.postprocess.deepliif_pixels import GREEN_MOST, NEGATIVE, POSITIVE


@dataclass(frozen=True)
class Recoloured:
    """A Seg picture with some negative cells made positive.

    Attributes:
        seg: (H, W, 3), uint8.
        ids: Of the cells that were chosen, ascending: places in the raster order of the first
            pixels of all cells above noise, from 1.
        before: Positive and negative cells that count.
        after: The same, counted anew.
    """

    seg: Array
    ids: Array
    before: tuple[int, int]
    after: tuple[int, int]


@dataclass(frozen=True)
class NegToPos:
    """Chooses negative cells at random and paints them positive.

    Cells are those that the post-process counts, so one that is large enough and as a whole: what
    touches without a boundary between is one cell, whatever its colours, and is painted as one.

    Attributes:
        cells: How cells are found, by their colours.
        clustered: Prefer negative cells that touch another negative cell: others are chosen only
            where there are not enough of these.
        touch: Cells touch if at most this many px lead from one to the other; a boundary is
            mostly 3 px wide, which are 4 px.

    Raises:
        ValueError: If cells are classed by more than their colours.

    Source:
        README of nadeemlab/DeepLIIF (August 2021), which has no code of it.
    """

    cells: DeepLIIFCells
    clustered: bool = False
    touch: int = 5

    def __post_init__(self) -> None:
        """Refuse what paint cannot change."""
        if self.cells.marker_thresh is not None or self.cells.uses_density:
            raise ValueError(
                "cells.marker_thresh and cells.od_thresh_* class cells by other pictures, and only "
                "Seg pictures are painted: leave them out"
            )

    def __call__(self, seg: Array, percentage: int, random: np.random.Generator) -> Recoloured:
        """Paint some negative cells.

        Blue and red are swapped where a chosen cell is bluer than red and no boundary.

        Args:
            seg: (H, W, 3), uint8 RGB: red positive, blue negative, green boundary.
            percentage: Share of the negative cells, 0..100; rounded to a number of cells, halves
                to the even one.
            random: Draws uniformly, without replacement.

        Returns:
            A new picture, and what was done.

        Raises:
            ValueError: If the percentage is not within 0..100.
        """
        if not 0 <= percentage <= 100:
            raise ValueError(f"{percentage} % of the negative cells: expected 0 to 100")
        labels, classes = self._counted(seg)
        negative = np.flatnonzero(classes == NEGATIVE)
        chosen = self._chosen(labels, negative, round(percentage * len(negative) / 100), random)
        painted = _painted(seg, labels, chosen, len(classes))
        return Recoloured(painted, chosen, _numbers(classes), _numbers(self._counted(painted)[1]))

    def _counted(self, seg: Array) -> tuple[Array, Array]:
        """Cells that count, and the class of each id; 0 of those that do not."""
        found = self.cells.find_in(np.ascontiguousarray(seg))
        kept = self.cells.called(found, self.cells.settle([found.nuclei()]))
        classes = np.zeros(len(found.instances) + 1, dtype=np.int32)
        classes[kept.ids] = kept.semantic
        return found.instances.labels, classes

    def _chosen(
        self, labels: Array, negative: Array, count: int, random: np.random.Generator
    ) -> Array:
        order = random.permutation(negative)
        if self.clustered:
            beside = np.isin(order, _touching(labels, negative, self.touch))
            order = np.concatenate([order[beside], order[~beside]])
        return np.sort(order[:count])


def draws_of(seed: int, name: str, percentage: int) -> np.random.Generator:
    """The draws of one picture: the same whatever other pictures there are.

    Args:
        seed: 0 or more.
        name: Of the picture.
        percentage: Another one draws other cells, not some more.
    """
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, percentage, *digest])


def _painted(seg: Array, labels: Array, chosen: Array, count: int) -> Array:
    of_chosen = np.zeros(count, dtype=bool)
    of_chosen[chosen] = True
    red, green, blue = cv2.split(seg)
    swapped = of_chosen.take(labels) & (green <= GREEN_MOST) & (blue > red)
    painted: Array = np.where(swapped[..., None], seg[..., ::-1], seg)
    return painted


def _touching(labels: Array, negative: Array, reach: int) -> Array:
    """Those of the negative cells with another one within reach, and no cell between."""
    away, (row, column) = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    nearest = labels[row, column]
    met = []
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        border = (nearest[one] != nearest[other]) & (away[one] + away[other] + 1 <= reach)
        met.append(np.stack([nearest[one][border], nearest[other][border]]))
    pairs = np.concatenate(met, axis=1)
    both = np.isin(pairs, negative).all(axis=0)
    return np.unique(pairs[:, both])


def _numbers(classes: Array) -> tuple[int, int]:
    return int((classes == POSITIVE).sum()), int((classes == NEGATIVE).sum())
