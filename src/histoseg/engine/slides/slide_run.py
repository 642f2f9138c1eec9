from __future__ import annotations

import logging
import shutil
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from histoseg.contracts import Array, SlidePrediction
from histoseg.engine.slides.busy import Busy
from histoseg.engine.slides.find_change import find_change
from histoseg.engine.slides.find_mask import find_mask, mask_file, mask_stamp
from histoseg.engine.slides.finished import recall, remember
from histoseg.engine.slides.locks import at_work, only_writer
from histoseg.engine.slides.mask_files import THUMBNAIL, write_mask, write_thumbnail
from histoseg.engine.slides.parts import Parts
from histoseg.engine.slides.plan import Step, covered, plan
from histoseg.engine.slides.settings import PARTS, Settings
from histoseg.engine.slides.share import share_sample
from histoseg.engine.slides.source import Source, opened
from histoseg.engine.slides.stamps import hash_of, stamp_of_slide
from histoseg.engine.slides.stream import Stream
from histoseg.errors import WorkerDiedError
from histoseg.slides import Frame, Grid, Region, SlideEntry, TissueMask

log = logging.getLogger(__name__)
ATTEMPTS = 2
"""A slide is tried again when a process died: what it had done is kept."""


@dataclass(frozen=True)
class SlideRun:
    """One slide, from file to results.

    Attributes:
        entry: The slide.
        settings: Of the run.
        flat_mpp: Micrometres per pixel, where neither file nor user says; None to refuse such.
    """

    entry: SlideEntry
    settings: Settings
    flat_mpp: float | None = None

    def run(self) -> dict[str, Any]:
        """Do what is not done yet.

        Returns:
            state (``done``; ``skipped`` where it was done before; ``partial`` where other ranks
            still work), seconds, mm2, nuclei and peak_mb.

        Raises:
            SlideError: If the slide does not say its resolution, a mask does not fit, the model
                normalises whole images alone, or another process works on the same output.
            UnreadableFileError: If it is damaged.
            OSError: If results cannot be written.
            WorkerDiedError: If processes die again and again.
        """
        try:
            with at_work(self._folder, self.settings.ranks):
                return self._run()
        finally:
            if "_frame" in self.__dict__:
                self._frame.slide.close()
                opened.cache_clear()

    def _run(self) -> dict[str, Any]:
        began = time.perf_counter()
        known = recall(self._record, self._results_stamp)
        if known is not None:  # parts are left where a run was killed while it removed them
            shutil.rmtree(self._folder, ignore_errors=True)
            return {**known, "state": "skipped", "seconds": _since(began)}
        busy = self._compute()
        row: dict[str, Any] = {
            "state": "partial",
            "seconds": 0.0,
            "mm2": self._area_mm2(),
            "nuclei": 0,
            "peak_mb": round(busy.peak_memory() / 2**20),
        }
        if not self._parts.missing():
            with only_writer(self._parts, self.settings.ranks) as alone:
                if alone:
                    results, row["nuclei"] = self._write()
                    row |= {"state": "done", "seconds": _since(began)}
                    remember(self._record, self._results_stamp, row, results)
                    self._parts.remove()
        row["seconds"] = _since(began)
        return row

    @cached_property
    def _source(self) -> Source:
        given = self.entry.mpp or self.settings.mpp
        magnification = self.entry.magnification
        if given is None and magnification is None:
            given = self.flat_mpp
        return Source(self.entry.path, self.settings.model_mpp, given, magnification)

    @cached_property
    def _frame(self) -> Frame:
        return opened(self._source)

    @cached_property
    def _mask_file(self) -> Path | None:
        return mask_file(self.entry, self.settings.tissue)

    @cached_property
    def _mask(self) -> TissueMask:
        return find_mask(self._frame.slide, self._mask_file, self.settings.tissue)

    @cached_property
    def _grid(self) -> Grid:
        own, module = self.settings, self.settings.module
        return Grid(
            self._frame.size,
            module.tile,
            module.margin,
            cells=own.cells,
            halo=own.halo,
            overlap=own.overlap,
        )

    @cached_property
    def _wanted(self) -> Array:
        """Which tiles have tissue and something scanned: (rows, columns), bool."""
        slide = self._frame.slide
        wanted = self._grid.wanted(self._mask, self._frame)
        if slide.bounds[2:] == slide.size[::-1] and slide.bounds[:2] == (0, 0):
            return wanted
        scanned = TissueMask.from_regions([[_corners(slide.bounds)]], slide.size, 1.0 * 64)
        return wanted & self._grid.wanted(scanned, self._frame)

    @cached_property
    def _regions(self) -> list[Region]:
        return list(self._grid.regions(self._wanted))

    @cached_property
    def _stamp(self) -> str:
        source = replace(self._source, path=Path(self.entry.name))
        mask = mask_stamp(self._mask_file, self.settings.tissue)
        return hash_of([stamp_of_slide(self.entry.path), str(source), mask, self.settings.stamp])

    @property
    def _results_stamp(self) -> str:
        return hash_of([self._stamp, self.settings.writers_stamp])

    @cached_property
    def _parts(self) -> Parts:
        return Parts(self._folder, self._stamp, tuple(region.number for region in self._regions))

    @property
    def _folder(self) -> Path:
        return self.settings.output / PARTS / self.entry.name

    @property
    def _record(self) -> Path:
        return self.settings.output / PARTS / f"{self.entry.name}.json"

    def _compute(self) -> Busy:
        """Do the regions of this rank that have no part file."""
        busy = Busy()
        self._warn_before()
        for attempt in range(1, ATTEMPTS + 1):
            missing = set(self._parts.missing())
            regions = [region for region in self._regions if region.number in missing]
            try:
                self._stream(self._own(regions), busy)
            except BrokenProcessPool as error:
                if attempt == ATTEMPTS:
                    raise WorkerDiedError(
                        f"{self.entry.path}: a process that reads or decodes was ended from"
                        " outside, twice; was there too little memory? Try fewer workers= or a"
                        " smaller region=. The same command goes on from what is done"
                    ) from error
                log.warning("%s: a process was ended from outside; going on", self.entry.path)
            else:
                break
        self._report(busy)
        return busy

    def _warn_before(self) -> None:
        if getattr(self.settings.module.postprocess, "normalise", None) == "tile":
            log.warning(
                "%s: the post-process scales maps over each region, so nuclei depend on region=;"
                " with model.postprocess.normalise=fixed they do not",
                self.entry.path,
            )
        if not self._wanted.any():
            log.warning("%s: no tissue is found, so nothing is predicted", self.entry.path)

    def _report(self, busy: Busy) -> None:
        if busy.cut:
            log.warning(
                "%s: %d nuclei are longer than halo=%d and were cut; a larger one takes them whole",
                *(self.entry.path, busy.cut, self.settings.halo),
            )
        if busy.wall:
            log.info("%s: %s", self.entry.name, busy.text())

    def _own(self, regions: list[Region]) -> list[Region]:
        """Blocks of neighbouring regions for each rank, which share less of their halos."""
        ranks = self.settings.ranks
        numbers = [region.number for region in self._regions]
        share = {n: i * ranks // len(numbers) for i, n in enumerate(numbers)}
        return [region for region in regions if share[region.number] == self.settings.rank]

    def _stream(self, regions: list[Region], busy: Busy) -> None:
        if not regions:
            return
        own = self.settings
        share_sample(own.forward, self._frame, self._grid, self._wanted)
        steps = plan(regions, own.cache // own.forward.tile_bytes())
        with self._bar(steps) as bar:
            count = [0]

            def progress(tiles: int, nuclei: int) -> None:
                count[0] += nuclei
                bar.set_postfix_str(f"{count[0]} nuclei", refresh=False)
                bar.update(tiles)

            Stream(
                self._source,
                self._grid,
                steps,
                own.forward,
                own.module.decoder,
                self._parts,
                workers=own.workers,
                stains=own.stains and "instances" in own.module.decoder.kinds,
                normalise=find_change(own.module, self._frame, self._grid, self._wanted),
                progress=progress,
                busy=busy,
            ).run()

    def _bar(self, steps: list[Step]) -> Any:
        tiles = sum(len(step.fresh) for step in steps)
        quiet = not sys.stderr.isatty()
        return tqdm(total=tiles, desc=self.entry.name, unit="tile", disable=quiet)

    def _write(self) -> tuple[list[Path], int]:
        own, frame, name = self.settings, self._frame, self.entry.name
        parts = self._parts.settled(own.module.decoder)
        thumbnail = frame.slide.thumbnail(THUMBNAIL)
        results = own.written(self._prediction(parts, thumbnail))
        if own.save_mask:
            results += write_mask(own.output, name, frame.slide, self._mask)
        if own.save_thumb:
            results.append(write_thumbnail(own.output, name, thumbnail, self._mask))
        return results, sum(len(part) for part in parts.nuclei())

    def _prediction(self, parts: Parts, thumbnail: Array) -> SlidePrediction:
        module, frame = self.settings.module, self._frame
        decoder = module.decoder
        return SlidePrediction(
            name=self.entry.name,
            size=frame.size,
            parts=parts.nuclei,
            label_parts=parts.labels,
            classes=module.classes,
            colours=module.colours,
            mpp=None if frame.mpp is None else float(np.sqrt(np.prod(frame.mpp))),
            scale_xy=frame.scale,
            bounds_xy=(frame.slide.bounds.left, frame.slide.bounds.top),
            thumbnail=thumbnail,
            source=self.entry.path,
            kinds=decoder.kinds,
            semantic_parts=parts.classes,
            stain_parts={stain: partial(parts.stain, stain) for stain in decoder.stains},
            backgrounds=decoder.backgrounds,
        )

    def _area_mm2(self) -> float | str:
        """Of the tiles that the network saw; "" where the resolution is unknown."""
        if self._frame.mpp is None:
            return ""
        side, step = self._grid.output, self._grid.step
        pixels = covered(self._wanted, side, step, (self._frame.height, self._frame.width))
        return round(float(pixels * np.prod(self._frame.mpp) / 1e6), 4)


def _corners(box: tuple[int, int, int, int]) -> Array:
    left, top, right, bottom = box
    return np.array([[left, top], [right - 1, top], [right - 1, bottom - 1], [left, bottom - 1]])


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 3)
