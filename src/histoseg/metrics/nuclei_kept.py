"""Structure of translated pictures: nuclei found in them against those found before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from histoseg.metrics.structure_scores import StructureScores

Finder = Callable[[Tensor], Tensor]
"""Pictures (B, 3, H, W), float32 in [0, 1], to their nuclei (B, H, W), int64, 0 background."""


class NucleiKept(StructureScores):
    """Find nuclei in pictures and in their translations, and pair them by their centres.

    Args:
        before: Finds the nuclei of pictures.
        after: Finds the nuclei of translations.
        source: Stain that is translated.
        target: Stain that it becomes.
        facts: What `StructureScores` takes.
    """

    def __init__(
        self, before: Finder, after: Finder, *, source: str, target: str, **facts: Any
    ) -> None:
        super().__init__(**facts)
        self.before, self.after, self.source, self.target = before, after, source, target

    def update(  # type: ignore[override]
        self, stains: Mapping[str, Tensor], pred_stains: Mapping[str, Tensor]
    ) -> None:
        """Add a batch: true pictures by stain, and translated ones, each (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: If the source or the target is not there.
        """
        if self.source not in stains or self.target not in pred_stains:
            raise ValueError(
                f"structure is of {self.source} and its translation to {self.target}; there are "
                f"{list(stains)} and translations to {list(pred_stains)}"
            )
        super().update(self.before(stains[self.source]), self.after(pred_stains[self.target]))
