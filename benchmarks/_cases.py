"""What all benchmarks share: timing and the line they print."""

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


def report(name: str, costs: tuple[float, float], goal: float, unit: str = "s") -> None:
    """Print the line of a case: name, baseline, ours, ratio, goal, ok|short.

    Args:
        name: Of the case.
        costs: Of the baseline and of ours: seconds, or anything else of which less is better.
        goal: Least ratio of the two.
        unit: Shown; seconds are shown as ms if asked for.
    """
    scale = 1e3 if unit == "ms" else 1
    baseline, ours = costs
    ratio = baseline / ours
    columns = (
        f"{name:<34}",
        f"{baseline * scale:8.4g} {unit:<3}",
        f"{ours * scale:8.4g} {unit:<3}",
        f"{ratio:6.3g}x",
        f"{goal:6.3g}x",
        "ok" if ratio >= goal else "short",
    )
    print("  ".join(columns), flush=True)
