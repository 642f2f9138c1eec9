"""What all benchmarks share: timing, and the line they print for a case."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(*works: Callable[[], object], repeats: int = 5) -> list[float]:
    """Best processor time of each, in turns: other people's work slows it little."""
    best = [float("inf")] * len(works)
    for _ in range(repeats):
        for i, work in enumerate(works):
            start = time.process_time()
            work()
            best[i] = min(best[i], time.process_time() - start)
    return best


def report(name: str, baseline: float, ours: float, unit: str, *, goal: float | str) -> None:
    """Print the line of a case: name, baseline, ours, ratio, goal, ok|short.

    Args:
        name: Of the case.
        baseline: What the plain way needs, or what it does in a second.
        ours: The same of ours.
        unit: Of both; with ``/s`` in it more is better, else less.
        goal: The least ratio; or, as text such as ``400``, what ours has to reach by itself.
    """
    more_is_better = "/s" in unit
    ratio = ours / baseline if more_is_better else baseline / ours
    if isinstance(goal, str):
        reached = ours >= float(goal) if more_is_better else ours <= float(goal)
        wanted = f"{goal} {unit}"
    else:
        reached, wanted = ratio >= goal, f"{goal:g}x"
    columns = (
        f"{name:<36}",
        f"{baseline:8.4g} {unit:<7}",
        f"{ours:8.4g} {unit:<7}",
        f"{ratio:7.3g}x",
        f"{wanted:>12}",
        "ok" if reached else "short",
    )
    print("  ".join(columns), flush=True)
