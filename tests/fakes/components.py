"""Post-processing for fake models."""

import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from histoseg.contracts import Array, Instances, Nuclei
from histoseg.ops.instances import instances_from_labels


def components(maps: Mapping[str, Array]) -> Instances:
    labels, _ = ndimage.label(maps["np"][0] > 0.5)
    return instances_from_labels(labels, foreground=maps["np"][0])


@dataclass(frozen=True)
class Deadly:
    """Ends its process, as the system does when memory runs out; with a file, only once."""

    once: Path | None = None

    def __call__(self, maps: Mapping[str, Array]) -> Instances:
        if self.once is None or not self.once.exists():
            if self.once is not None:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return components(maps)


@dataclass(frozen=True)
class Candidates:
    """Objects and their sizes."""

    instances: Instances
    measures: Mapping[str, Array]


@dataclass(frozen=True)
class AboveMean:
    """Keeps objects larger than the mean of all; of class 2 above the share of dark pixels."""

    def __call__(self, maps: Mapping[str, Array]) -> Instances:
        raise NotImplementedError  # the engine finds and settles

    def find(self, maps: Mapping[str, Array]) -> Candidates:
        found = components(maps)
        sizes = np.bincount(found.labels.ravel(), minlength=1)[found.ids]
        return Candidates(found, {"size": sizes})

    def marker_counts(self, maps: Mapping[str, Array]) -> Array:
        return np.bincount((maps["np"][0] > 0.5).ravel(), minlength=2)

    def settle(self, parts: Iterable[Nuclei], marker_counts: Array | None = None) -> "Larger":
        assert marker_counts is not None
        total = count = 0
        for part in parts:
            total, count = total + int(part.measures["size"].sum()), count + len(part)
        share = marker_counts[1] / marker_counts.sum()
        return Larger(total / count, 4000 * float(share))


@dataclass(frozen=True)
class Larger:
    """Sizes as thresholds, px."""

    least: float
    second: float

    def __call__(self, nuclei: Nuclei) -> Nuclei:
        kept = nuclei[nuclei.measures["size"] > self.least]
        return replace(kept, semantic=1 + (kept.measures["size"] > self.second).astype(np.int32))
