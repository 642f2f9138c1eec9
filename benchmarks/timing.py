"""How the benchmarks measure and report."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


def best_ms(call: Callable[[], object], repeats: int = 7) -> float:
    """Best of several runs, in milliseconds, after one that warms up."""
    call()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return 1000 * min(times)


def line(name: str, baseline: float, ours: float, goal: float) -> str:
    """One line: name, baseline, ours, ratio, goal, verdict."""
    ratio = baseline / ours
    verdict = "ok" if ratio >= goal else "short"
    return f"{name}: {baseline:.1f} ms, {ours:.1f} ms, {ratio:.1f}x, goal {goal:g}x, {verdict}"
