"""What the C library does with memory that is given back to it."""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # mallopt's names of settings, from malloc.h
NEVER = 2**31 - 1  # bytes free at the top of the heap before they are returned to the system
CHOSEN_BY_USER = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "MALLOC_TOP_PAD_",
)


def keep_freed_memory() -> bool:
    """Let this process use freed memory again, instead of returning it to the system each time.

    The activations of a network at full resolution are tens of megabytes each. By default glibc
    maps and unmaps every one of them, and the system has to clear each page again. The price is
    that a process never shrinks: it keeps what its largest step took.

    Child processes made by fork inherit it. Nothing is done on other C libraries, or where the
    user has set one of ``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_``,
    ``MALLOC_MMAP_MAX_``, ``MALLOC_TOP_PAD_`` or ``glibc.malloc`` tunables.

    Returns:
        Whether it was done.
    """
    on_glibc = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
    chosen = any(name in os.environ for name in CHOSEN_BY_USER)
    if not on_glibc or chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # no mapping at all: the threshold above which glibc maps is capped at 32 MiB before 2.35
    return bool(mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, NEVER))
