"""Post-processing for fake models."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scipy import ndimage

from histoseg.contracts import Array, Instances
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
