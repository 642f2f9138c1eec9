from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from histoseg.contracts import Array, Maps
from histoseg.engine.slides.busy import Busy
from histoseg.engine.slides.decode import IMAGE, DecodeTask, Done, decode
from histoseg.engine.slides.forward import Forward, to_arrays
from histoseg.engine.slides.parts import Parts
from histoseg.engine.slides.plan import Key, Step
from histoseg.engine.slides.read_tiles import Change, ReadTask, Tiles, read_tiles
from histoseg.engine.slides.source import Source
from histoseg.engine.slides.stitch import stitch
from histoseg.engine.slides.workers import peak_memory, shares, start
from histoseg.postprocess.decoder import Decoder
from histoseg.slides import Grid

AHEAD = 1
"""Regions that wait, read or to be decoded, besides one for each process that works."""
Progress = Callable[[int, int], object]
Tile = tuple[Key, Array, Array]
"""Which, its pixels, and what the network sees of them."""


@dataclass
class Stream:
    """Sends the regions of one slide through a network, stage beside stage.

    Other processes read; this one runs the network, on batches that go over the borders of
    regions; others decode and write part files. What waits between stages is bounded, and so is
    memory. What comes out does not depend on how many processes there are.

    Attributes:
        source: The slide.
        grid: Where its tiles lie.
        steps: The regions to do, in order.
        forward: The network.
        decoder: What the maps of a region become.
        parts: Where results go.
        workers: Processes besides this one; with 0 this one does it all.
        stains: Whether the dye in each nucleus is measured.
        normalise: What is done to each tile before the network sees it.
        progress: Told of tiles and nuclei that were just done.
    """

    source: Source
    grid: Grid
    steps: list[Step]
    forward: Forward
    decoder: Decoder
    parts: Parts
    workers: int = 0
    stains: bool = False
    normalise: Change | None = None
    progress: Progress = lambda tiles, nuclei: None
    busy: Busy = field(default_factory=Busy)
    _ready: dict[Key, dict[str, Array]] = field(default_factory=dict)
    _batch: list[Tile] = field(default_factory=list)
    _launched: tuple[list[Tile], Maps] | None = None
    _waiting: deque[Step] = field(default_factory=deque)
    _decoding: deque[Future[Done]] = field(default_factory=deque)

    def run(self) -> Busy:
        """Do all steps.

        Returns:
            How long each stage was at work.

        Raises:
            BrokenProcessPool: If a process died; the parts that are written are sound.
            UnreadableFileError: If the slide is damaged.
            OSError: If a part cannot be written.
        """
        began = time.perf_counter()
        readers, decoders = shares(self.workers)
        with ExitStack() as stack:
            reading, decoding = (
                stack.enter_context(closing(_Pool(start(count)))) for count in (readers, decoders)
            )
            decoding.executor.submit(peak_memory)  # processes start while the first tiles are read
            for step, tiles in self._read(reading.executor, readers + AHEAD):
                self._waiting.append(step)
                for tile in zip(step.fresh, tiles.pixels, tiles.seen, strict=True):
                    self._batch.append(tile)
                    if len(self._batch) == self.forward.batch_size:
                        self._launch()
                self._finish(decoding.executor, decoders + AHEAD)
            self._launch()
            self._collect()
            self._finish(decoding.executor, 0)
        self.busy.wall += time.perf_counter() - began
        return self.busy

    def _read(self, pool: Executor, ahead: int) -> Iterator[tuple[Step, Tiles]]:
        """The steps with their fresh tiles; some are being read while one is worked on."""
        todo = iter(self.steps)
        asked: deque[tuple[Step, Future[Tiles]]] = deque()
        while True:
            for step in islice(todo, ahead - len(asked)):
                task = ReadTask(self.source, self.grid, step.cells, self.normalise)
                asked.append((step, pool.submit(read_tiles, task)))
            if not asked:
                return
            step, future = asked.popleft()
            with self.busy.waiting("read"):
                tiles = future.result()
            self.busy.add("read", tiles.cost)
            yield step, tiles

    def _launch(self) -> None:
        """Start the network on the tiles that wait, then fetch what it said of those before."""
        if not self._batch:
            return
        with self.busy.forward():
            maps = self.forward.launch([seen for _, _, seen in self._batch])
            self._collect()
        self._launched, self._batch = (self._batch, maps), []

    def _collect(self) -> None:
        if self._launched is None:
            return
        tiles, maps = self._launched
        arrays = to_arrays(maps)
        for i, (key, pixels, _) in enumerate(tiles):
            self._ready[key] = {name: m[i].copy() for name, m in arrays.items()}
            if self.stains:
                self._ready[key][IMAGE] = self._core(pixels)
        self._launched = None
        self.progress(len(tiles), 0)

    def _core(self, tile: Array) -> Array:
        inner = slice(self.grid.margin, self.grid.margin + self.grid.output)
        return np.ascontiguousarray(np.moveaxis(tile[inner, inner], -1, 0))

    def _finish(self, pool: Executor, most: int) -> None:
        """Hand on the regions whose maps are complete; leave at most so many to be decoded."""
        while self._waiting and self._ready.keys() >= set(self._waiting[0].uses):
            step = self._waiting.popleft()
            with self.busy.stitching():
                maps = stitch(self.grid, step.region, [self._ready[key] for key in step.uses])
            for key in step.drops:
                del self._ready[key]
            path = self.parts.path(step.region.number)
            task = DecodeTask(step.region, maps, self.decoder, path, self.parts.stamp, self.grid)
            self._decoding.append(pool.submit(decode, task))
            del maps, task
            self._await_decoders(most)
        self._await_decoders(most)

    def _await_decoders(self, most: int) -> None:
        while self._decoding and (len(self._decoding) > most or self._decoding[0].done()):
            with self.busy.waiting("decode"):
                done = self._decoding.popleft().result()
            self.busy.add("decode", done.cost)
            self.busy.cut += done.cut
            self.progress(0, done.nuclei)


class _Pool:
    """An executor that, when closed, finishes what it is doing and begins nothing else."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def close(self) -> None:
        self.executor.shutdown(wait=True, cancel_futures=True)
