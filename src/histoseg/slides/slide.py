from __future__ import annotations

import math
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides.box import Box
from histoseg.slides.frame import Frame
from histoseg.slides.resolution import Resolution
from histoseg.slides.segments import SegmentCache

WHITE = 255


class Level(NamedTuple):
    """One picture of a pyramid; ``downsample``: level-0 pixels per pixel of it along x and y."""

    height: int
    width: int
    downsample: tuple[float, float]


class Slide(ABC):
    """A file with one large picture, usually as a pyramid, of which parts are read.

    Coordinates are pixels of the full level 0, (x, y), also where a scanner gives ``bounds``:
    QuPath shows such a slide from the corner of its bounds, so what is written for QuPath has
    ``bounds.left`` and ``bounds.top`` subtracted.

    A slide can be pickled and used in other processes, forked or not: each opens the file by itself
    when it first reads.

    Attributes:
        path: The file.
        name: What files about it are called.
        reader: Which library reads it, for reports.
        levels: Largest first; ``levels[0].downsample`` is (1, 1).
        resolution: Micrometres per pixel of level 0, and magnification.
        bounds: The part of level 0 that was scanned.
    """

    def __init__(
        self,
        path: Path,
        sizes: Sequence[tuple[int, int]],
        resolution: Resolution,
        *,
        reader: str,
        bounds: Box | None = None,
    ) -> None:
        if not sizes or min(map(min, sizes)) < 1:
            raise UnreadableFileError(
                f"{path} has levels of (height, width) {list(sizes)}, expected at least one pixel"
                " in each: it is damaged, export it again"
            )
        self.path, self.name, self.reader = path, slide_name(path), reader
        self.levels = tuple(Level(*size, _downsample(sizes[0], size)) for size in sizes)
        self.resolution = resolution
        whole = Box(0, 0, sizes[0][1], sizes[0][0])
        self.bounds = whole if bounds is None else bounds.clipped(whole)
        self._cache = SegmentCache()
        self._handle: Any = None
        self._process = 0
        self._lock = threading.RLock()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of level 0."""
        return self.levels[0].height, self.levels[0].width

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel of level 0 along x and y; None where unknown."""
        return self.resolution.mpp

    @property
    def magnification(self) -> float | None:
        """Of the objective, where the file or the user says it."""
        return self.resolution.magnification

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> Array:
        """Read a rectangle of a level.

        Args:
            x: Left edge, in pixels of the level; may be negative.
            y: Top edge, in pixels of the level.
            width: Pixels of the level.
            height: Pixels of the level.
            level: Which; 0 is the largest.

        Returns:
            (height, width, 3), uint8 RGB. What lies outside the slide, was not scanned or is
            transparent is white. Pixels do not depend on the rectangle they are read in.

        Raises:
            UnreadableFileError: If the file is damaged there.
        """
        wanted = Box(x, y, x + width, y + height)
        of = self.levels[level]
        inside = wanted.clipped(Box(0, 0, of.width, of.height))
        if inside == wanted and not wanted.is_empty:
            return self._read_inside(level, wanted)
        result = np.full((height, width, 3), WHITE, np.uint8)
        if not inside.is_empty:
            result[inside.slices(wanted)] = self._read_inside(level, inside)
        return result

    def thumbnail(self, max_side: int) -> Array:
        """The whole slide, shrunk until its longer side has at most ``max_side`` pixels.

        Returns:
            (h, w, 3), uint8; the memory needed does not depend on the slide.
        """
        frame = Frame.scaled(self, max(1.0, max(self.size) / max_side))
        return frame.read(0, 0, frame.width, frame.height)

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._handle is not None and self._process == os.getpid():
            self._handle.close()
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.path}, {self.size[0]} x {self.size[1]} px,"
            f" {len(self.levels)} levels, mpp {self.mpp})"
        )

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        for name in ("_handle", "_cache", "_lock", "_process"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._handle, self._process = None, 0
        self._cache, self._lock = SegmentCache(), threading.RLock()

    def _opened(self) -> Any:
        """The handle of this process: one inherited by a fork shares the place in the file."""
        with self._lock:
            if self._handle is None or self._process != os.getpid():
                self._keep(self._open())
            return self._handle

    def _keep(self, handle: Any) -> None:
        self._handle, self._process = handle, os.getpid()

    def _read_inside(self, level: int, box: Box) -> Array:
        try:
            return self._read(level, box)
        except (UnreadableFileError, MemoryError):
            raise
        except Exception as error:  # decoders raise a dozen kinds, none of which names the file
            self.close()  # OpenSlide refuses everything after an error
            raise UnreadableFileError(
                f"{self.path} cannot be read at {tuple(box)} (left, top, right, bottom) of level"
                f" {level}: {error}. The file is damaged there or cut short; copy it again"
            ) from error

    @abstractmethod
    def _open(self) -> Any:
        """Open the file; what is given has ``close()``."""

    @abstractmethod
    def _read(self, level: int, box: Box) -> Array:
        """Read a box that is not empty and inside the level: (h, w, 3), uint8."""


def slide_name(path: Path) -> str:
    """File name without suffix; ``a.ome.tif`` has the name ``a``."""
    name = path.stem
    return name[:-4] if name.lower().endswith(".ome") else name


def _downsample(size: tuple[int, int], level: tuple[int, int]) -> tuple[float, float]:
    """Level-0 pixels per pixel of a level, along x and y.

    Scanners cut a level to whole pixels: 2967 rows halved twice are 741, and each still stands for
    4 rows, not for 4.004. So a whole number that explains both sizes is taken for the ratio.
    """
    ratios = size[1] / level[1], size[0] / level[0]
    whole = max(1, round(min(ratios)))
    for factor in (2 ** round(math.log2(whole)), whole, whole + 1):
        if all(abs(n / factor - m) < 1 for n, m in zip(size, level, strict=True)):
            return float(factor), float(factor)
    return ratios
