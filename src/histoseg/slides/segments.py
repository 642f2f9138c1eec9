from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from histoseg.contracts import Array

MAX_BYTES = 64 * 2**20


class SegmentCache:
    """The decoded segments (tiles, strips) of a file that were used last.

    Regions of a slide touch the same tiles again and again at their borders. Threads may share it.

    Args:
        max_bytes: How much is kept; a segment larger than that is kept alone.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, Array] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, decode: Callable[[], Array]) -> Array:
        """The segment of this key, decoded if it is not here; not to be written to."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        segment = decode()
        segment.flags.writeable = False
        with self._lock:
            if key not in self._kept:
                self._kept[key] = segment
                self._bytes += segment.nbytes
            while self._bytes > self._max_bytes and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return segment
