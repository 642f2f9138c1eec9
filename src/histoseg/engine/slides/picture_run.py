from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from histoseg.engine.predict_image import predict_image
from histoseg.engine.slides.finished import recall, remember
from histoseg.engine.slides.panels import inputs_of, refuse_unfit, stacked
from histoseg.engine.slides.pictures import Picture
from histoseg.engine.slides.settings import PARTS, Settings
from histoseg.engine.slides.stamps import hash_of, stamp_of_slide
from histoseg.slides import SlideEntry


@dataclass(frozen=True)
class PictureRun:
    """One picture that is decoded as a whole, from pixels to results.

    Attributes:
        entry: Its file.
        picture: What is in it.
        settings: Of the run.
        cfg: As `predict_image` takes it.
    """

    entry: SlideEntry
    picture: Picture
    settings: Settings
    cfg: DictConfig

    def run(self) -> dict[str, Any]:
        """Do it, if it is not done yet.

        Returns:
            state (``done``, or ``skipped`` where it was done before), seconds, mm2 and nuclei.

        Raises:
            OSError: If results cannot be written.
            UnreadableFileError: If it is none that the model takes.
        """
        began = time.perf_counter()
        record = self.settings.output / PARTS / f"{self.entry.name}.json"
        known = recall(record, self._stamp)
        if known is not None:
            return {**known, "state": "skipped"}
        module = self.settings.module
        pixels = stacked(self.entry.path, self.picture.pixels, inputs_of(module), **self._panels)
        refuse_unfit(module, self.entry.path, pixels)
        prediction = predict_image(
            module,
            pixels,
            self.entry.name,
            self.cfg,
            mpp=self.picture.mpp,
            model_mpp=self.settings.model_mpp,
        )
        results = self.settings.written(prediction)
        side = prediction.mpp
        area = round(math.prod(prediction.size) * side * side / 1e6, 4) if side else ""
        row = {"state": "done", "nuclei": len(prediction.instances), "mm2": area}
        seconds = round(time.perf_counter() - began, 3)
        remember(record, self._stamp, {**row, "seconds": seconds}, results)
        return row

    @property
    def _panels(self) -> dict[str, list[str]]:
        """Names of the panels of the training data, where they have some."""
        data = self.cfg.get("data") or {}
        return {key: list(data.get(key) or ()) for key in ("stains", "label_stains")}

    @property
    def _stamp(self) -> str:
        """Of all that decides the results."""
        own = self.settings
        file = stamp_of_slide(self.entry.path)
        panels = self._panels if len(inputs_of(own.module)) > 1 else {}
        return hash_of(
            [file, self.picture.mpp, own.stamp, own.writers_stamp, self.cfg.save_maps, panels]
        )
