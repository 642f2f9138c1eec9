"""Stacks of channels in one TIFF, of which only the channels that are asked for are read."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

STACK_SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")
Layout = Literal["axes", "pages"]
_SPATIAL = "YX"
_KNOWN = 1024  # stacks


class Stack:
    """The channels of a file; opened once, read channel by channel.

    Args:
        path: TIFF or OME-TIFF with one channel a page, or all channels in one page.
        layout: ``axes``: channels lie along the only axis besides rows and columns, whatever its
            name. ``pages``: page k is channel k, however many axes the file names.

    Attributes:
        path: The file.
        channels: How many there are.
        size: (height, width), pixels.

    Raises:
        UnreadableFileError: If it is missing, damaged, no TIFF, or has several axes that could be
            channels.
    """

    def __init__(self, path: Path, layout: Layout = "axes") -> None:
        self.path = path
        try:
            # its file is closed again: pages know where their pixels are
            with tifffile.TiffFile(path) as self._tiff:
                self._open(layout)
        except UnreadableFileError:
            raise
        except FileNotFoundError as error:
            raise UnreadableFileError(f"there is no stack {path}; check the path") from error
        except Exception as error:  # tifffile lets struct, value, index and XML errors through
            raise UnreadableFileError(f"{path} cannot be read as a TIFF stack: {error}") from error

    def plane(self, channel: int) -> Array:
        """Read a channel.

        Args:
            channel: 0..channels - 1.

        Returns:
            (H, W), of the type stored.

        Raises:
            UnreadableFileError: If there is no such channel, or its pixels are damaged.
        """
        if not 0 <= channel < self.channels:
            raise UnreadableFileError(
                f"{self.path} has {self.channels} channels (0 to {self.channels - 1}), and channel "
                f"{channel} is asked for: choose other codes, or another stack"
            )
        try:
            return self._read(channel)
        except Exception as error:  # codecs let anything through
            raise UnreadableFileError(
                f"{self.path}: channel {channel} cannot be read: {error}"
            ) from error

    def _open(self, layout: Layout) -> None:
        pages = self._tiff.pages
        first: Any = pages.first
        series: Any = self._tiff.series[0]
        axes, shape = series.axes, series.shape
        apart = set(axes) <= set(_SPATIAL) and {page.shape for page in pages} == {first.shape}
        if len(pages) > 1 and (layout == "pages" or apart):
            self._pages: list[Any] = [page.aspage() for page in pages]
            self._axis: int | None = None
            self.channels, self.size = len(pages), _size(first.shape)
            return
        axis = _channel_axis(self.path, axes, shape)
        if not set(_SPATIAL) <= set(axes):
            raise UnreadableFileError(f"{self.path} has axes {axes}; expected rows and columns")
        self.size = (int(shape[axes.index("Y")]), int(shape[axes.index("X")]))
        self.channels = 1 if axis is None else int(shape[axis])
        if any(page is None for page in series.pages):
            raise UnreadableFileError(
                f"{self.path} lacks pages that its header names: export it again"
            )
        self._pages = [page.aspage() for page in series.pages]
        self._axis = axis
        if len(self._pages) == 1 and self.channels > 1:  # all channels in a page, or behind it
            self._series = None if first.ndim == 3 else series
        elif len(self._pages) != self.channels:
            raise UnreadableFileError(
                f"{self.path} has axes {axes} {shape} on {len(self._pages)} pages; expected a page "
                "for each channel: save it so, or say data.dataset.layout=pages"
            )

    def _read(self, channel: int) -> Array:
        if len(self._pages) == 1 and self.channels > 1:
            if self._series is None:
                plane = self._decoded(self._pages[0]).take(channel, axis=self._axis)
                return np.ascontiguousarray(plane)
            start, kind = int(self._series.dataoffset), self._series.dtype  # behind the only page
            return self._raw(start + channel * self.size[0] * self.size[1] * kind.itemsize, kind)
        page = self._pages[channel]
        if page.is_contiguous and page.fillorder != 2:
            return self._raw(page.dataoffsets[0], page.dtype)
        return self._decoded(page).reshape(self.size)

    def _raw(self, start: int, kind: Any) -> Array:
        """Pixels that lie in the file as they are: no need to ask tifffile."""
        stored = np.dtype(kind).newbyteorder(self._tiff.byteorder)
        count = self.size[0] * self.size[1]
        plane = np.fromfile(self.path, stored, count, offset=start)
        return plane.reshape(self.size).astype(kind, copy=False)

    def _decoded(self, page: Any) -> Array:
        file = self._tiff.filehandle
        file.open()
        try:
            return np.asarray(page.asarray(maxworkers=1))
        finally:
            file.close()


class Stacks:
    """Stacks by path, of which the latest stay known: looking at a file costs more than a plane.

    Args:
        layout: As in `Stack`.
    """

    def __init__(self, layout: Layout = "axes") -> None:
        self.layout = layout
        self._known: OrderedDict[Path, tuple[tuple[int, int], Stack]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """Files that are known stay behind: another process looks for itself."""
        return {"layout": self.layout, "_known": OrderedDict()}

    def __call__(self, path: Path) -> Stack:
        """The stack of a file; looked at anew where the file has changed."""
        try:
            facts = path.stat()
        except OSError as error:
            raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}") from error
        state = (facts.st_size, facts.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != state:
            known = (state, Stack(path, self.layout))
            self._known[path] = known
        self._known.move_to_end(path)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return known[1]


def stack_stem(name: str) -> str:
    """Name of a file without the suffix of a stack, which may have two parts.

    Example:
        >>> stack_stem("a.b.ome.tif"), stack_stem("a.b.TIFF")
        ('a.b', 'a.b')
    """
    for suffix in STACK_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _channel_axis(path: Path, axes: str, shape: tuple[int, ...]) -> int | None:
    long = [i for i, a in enumerate(axes) if a not in _SPATIAL and shape[i] > 1]
    if len(long) > 1:
        named = ", ".join(f"{axes[i]}={shape[i]}" for i in long)
        raise UnreadableFileError(
            f"{path} has several axes besides rows and columns ({named}): save one channel axis, "
            "or say data.dataset.layout=pages to take page k for channel k"
        )
    return long[0] if long else None


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) != 2:
        raise UnreadableFileError(f"pages of shape {shape}; expected one plane a page")
    return int(shape[0]), int(shape[1])
