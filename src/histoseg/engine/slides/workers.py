"""Processes that work for a slide: how they start, what they cost, and that they end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any, NamedTuple, ParamSpec, TypeVar

import cv2
import torch
from typing_extensions import override

P = ParamSpec("P")
T = TypeVar("T")
PRELOADED = (
    "histoseg.engine.slides.read_tiles",
    "histoseg.engine.slides.decode",
    "histoseg.postprocess.hover",
)
READERS = 4
"""One process in so many reads, the others decode."""
MOST = 16


class Cost(NamedTuple):
    """What a piece of work took.

    Attributes:
        process: Number of the process that did it.
        seconds: Of wall-clock.
        memory: The most that the process ever held, bytes.
    """

    process: int
    seconds: float
    memory: int


class InThisProcess(Executor):
    """Does the work at once, as it is submitted."""

    @override
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def start(count: int) -> Executor:
    """Processes of their own; none for 0, where this one does the work.

    They do not inherit threads or a device, and end when this process ends, however it ends.
    """
    if count == 0:
        return InThisProcess()
    ways = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(list(PRELOADED))
    return ProcessPoolExecutor(count, context, _settle_in)


def shares(workers: int) -> tuple[int, int]:
    """How many processes read, and how many decode."""
    if workers == 0:
        return 0, 0
    readers = max(1, workers // READERS)
    return readers, max(1, workers - readers)


def usual_count() -> int:
    """Workers where the user does not say: one for each other core that we may use."""
    return max(1, min(MOST, len(_cores()) - 1))


@contextmanager
def measured() -> Iterator[Callable[[], Cost]]:
    """Measure a piece of work; what is given tells its cost, once it is done."""
    began = time.perf_counter()
    yield lambda: Cost(os.getpid(), time.perf_counter() - began, peak_memory())


def peak_memory() -> int:
    """The most memory that this process ever held, bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _cores() -> Any:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _settle_in() -> None:
    """One core for each, warnings said once by the main process, Ctrl-C handled there too."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    logging.getLogger("histoseg").setLevel(logging.ERROR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
