from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from histoseg.contracts import Predicted, Prediction
from histoseg.data import Loading
from histoseg.engine.slides.forward import Forward
from histoseg.modules.base import Module
from histoseg.writers import fits

PARTS = ".parts"
"""Folder, in the output, of what is needed to go on."""
Writer = Callable[[Path, Predicted], Path | list[Path]]


@dataclass(frozen=True)
class Settings:
    """What is the same for all slides of a run.

    Attributes:
        output: Folder of all results.
        forward: The network.
        writers: By name.
        stamp: Hash of the weights and of all settings that decide what is found.
        writers_stamp: Hash of the writers' settings.
        model_mpp: Micrometres per pixel that the model is to see; None where it does not know.
        mpp: Of the slides at full size, in place of what files say.
        region: Side of a region, pixels of the frame; rounded to whole tiles.
        halo: Pixels around it that are decoded with it.
        overlap: Of the outputs of neighbouring tiles, pixels.
        cache: Bytes for maps that a later region needs again.
        workers: Processes besides this one.
        tissue: ``auto``, ``none``, a folder of masks or a file.
        stains: Whether the dye in each nucleus is measured.
        save_mask: Whether the tissue mask is written.
        save_thumb: Whether a picture of the slide with its mask is written.
        rank: Number of this process among `ranks`.
        ranks: Processes that share the regions of each slide, by this setting, and one output.
        loading: How stacks of channels are read, for a model that learned on some; None for
            pictures and slides.
    """

    output: Path
    forward: Forward
    writers: Mapping[str, Writer]
    model_mpp: float | None
    mpp: float | None
    region: int
    halo: int
    overlap: int
    cache: int
    workers: int
    tissue: str
    stains: bool
    save_mask: bool
    save_thumb: bool
    rank: int = 0
    ranks: int = 1
    loading: Loading | None = None
    stamp: str = ""
    writers_stamp: str = ""

    @property
    def module(self) -> Module:
        """Of the network."""
        return self.forward.module

    def written(self, prediction: Predicted) -> list[Path]:
        """Write what there is to write of an image or slide; the files."""
        whole = isinstance(prediction, Prediction)
        results: list[Path] = []
        for writer in self.writers.values():
            if fits(writer, prediction.kinds, whole=whole):
                made = writer(self.output, prediction)
                results += made if isinstance(made, list) else [made]
        return results

    @property
    def cells(self) -> int:
        """Tiles along the side of a region."""
        step = self.module.tile - 2 * self.module.margin - self.overlap
        return max(1, self.region // step)

    def stamped(self, stamp: str, writers_stamp: str) -> Self:
        """The same settings with the hashes of what decides the results."""
        return replace(self, stamp=stamp, writers_stamp=writers_stamp)
