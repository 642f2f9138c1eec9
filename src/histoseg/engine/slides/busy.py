from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from histoseg.engine.slides.workers import Cost, peak_memory


@dataclass
class Busy:
    """How long each stage of a slide was at work, in seconds.

    Attributes:
        wall: From start to end.
        network: In the network, with what it takes to bring tiles there and maps back.
        stitch: In putting maps together.
        cut: Nuclei that were longer than their halo, counted on the way.
        work: Of the processes that read and decode, each added up, by stage.
        waited: Of the main process for them, by stage.
    """

    wall: float = 0.0
    network: float = 0.0
    stitch: float = 0.0
    cut: int = 0
    work: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    waited: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _memory: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Count the time as spent in the network."""
        began = time.perf_counter()
        yield
        self.network += time.perf_counter() - began

    @contextmanager
    def stitching(self) -> Iterator[None]:
        """Count the time as spent in putting maps together."""
        began = time.perf_counter()
        yield
        self.stitch += time.perf_counter() - began

    @contextmanager
    def waiting(self, stage: str) -> Iterator[None]:
        """Count the time as spent in waiting for a stage."""
        began = time.perf_counter()
        yield
        self.waited[stage] += time.perf_counter() - began

    def add(self, stage: str, cost: Cost) -> None:
        """Count a piece of work."""
        self.work[stage] += cost.seconds
        self._memory[cost.process] = max(cost.memory, self._memory.get(cost.process, 0))

    def peak_memory(self) -> int:
        """The most memory of all processes together, bytes; what they share counts for each."""
        return sum((self._memory | {os.getpid(): peak_memory()}).values())

    def text(self) -> str:
        """One line for the log."""
        share = self.network / self.wall if self.wall else 0.0
        return (
            f"network {self.network:.1f} s ({share:.0%} of {self.wall:.1f} s), waited for reading"
            f" {self.waited['read']:.1f} s and decoding {self.waited['decode']:.1f} s, stitching"
            f" {self.stitch:.1f} s; work of readers {self.work['read']:.1f} s, of decoders"
            f" {self.work['decode']:.1f} s"
        )
