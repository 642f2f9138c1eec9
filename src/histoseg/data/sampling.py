"""How often each training image is drawn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.data.counts import Records, class_counts, tissues
from histoseg.errors import ContractError

_log = logging.getLogger(__name__)
CRITERIA = ("classes", "tissues")


class Sampling:
    """Draw images with rare classes or rare tissues more often.

    With gamma g, N images, n(c) images with nuclei of class c, k the sum of all n(c), and n(t)
    images of tissue t, an image weighs

    - by classes: ``(1 - g) + g * sum of k / (g * n(c) + (1 - g) * k)`` over the classes in it; an
      image without nuclei as much as the lightest one with some;
    - by tissues: ``N / (g * n(t) + (1 - g) * N)``;
    - by both: the sum of the two, each divided by its maximum.

    Args:
        by: Some of "classes" and "tissues"; none draws each image once an epoch.
        gamma: 0 draws all alike, 1 balances most.
        cache: CSV that keeps what was counted, so that it is counted once; see
            `histoseg.data.counts.count`.

    Raises:
        ValueError: If ``by`` names something else, or ``gamma`` is outside [0, 1].

    Source:
        Hörst et al. 2024, CellViT, and TIO-IKIM/CellViT ``pannuke.py``, where n(c) and n(t) are
        fixed numbers of PanNuke and here those of the training images; gamma as in its PanNuke
        configurations.
    """

    def __init__(
        self, by: Sequence[str] = (), gamma: float = 0.85, cache: str | Path | None = None
    ) -> None:
        unknown = set(by) - set(CRITERIA)
        if unknown or not 0 <= gamma <= 1:
            raise ValueError(
                f"sampling by {list(by)} with gamma {gamma}: expected some of {list(CRITERIA)} and "
                "a gamma of 0 to 1"
            )
        self.by, self.gamma = tuple(by), gamma
        self.cache = None if cache is None else Path(cache)

    def weights(self, records: Records, classes: Sequence[str]) -> Array | None:
        """Relative frequency of each record, (N,) float64 with mean 1; None draws each once.

        Raises:
            ContractError: If the data know no classes or no tissues.
        """
        parts = []
        if "classes" in self.by:
            parts.append(self._by_classes(records, classes))
        if "tissues" in self.by:
            parts.append(self._by_tissues(records, classes))
        if not parts:
            return None
        weights = parts[0] if len(parts) == 1 else np.sum([p / p.max() for p in parts], axis=0)
        weights = np.asarray(weights / weights.mean())
        _log.info(
            "sampling by %s: an image is drawn %.2f to %.2f times an epoch on average",
            " and ".join(self.by),
            weights.min(),
            weights.max(),
        )
        return weights

    def _by_classes(self, records: Records, classes: Sequence[str]) -> Array:
        if not classes:
            raise ContractError(
                "sampling by classes needs data with classes; take data/sampling=uniform or tissues"
            )
        present = class_counts(records, classes, self.cache) > 0
        images = present.sum(axis=0)
        total = images.sum()
        if total == 0:
            return np.ones(len(present))
        factor = total / (self.gamma * images + (1 - self.gamma) * total).clip(1e-12)
        weights = (1 - self.gamma) * present.any(axis=1) + self.gamma * present @ factor
        weights[weights == 0] = weights[weights > 0].min()
        return np.asarray(weights)

    def _by_tissues(self, records: Records, classes: Sequence[str]) -> Array:
        names, which, images = np.unique(
            tissues(records, classes, self.cache), return_inverse=True, return_counts=True
        )
        if list(names) == [""]:
            raise ContractError(
                "sampling by tissues needs data that name the tissue of each image; these do not. "
                "Take data/sampling=uniform or classes"
            )
        total = len(which)
        factor = total / (self.gamma * images + (1 - self.gamma) * total)
        return np.asarray(factor[which])
