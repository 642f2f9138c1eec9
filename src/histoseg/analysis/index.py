"""Numbers that pathologists report, of counts."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple


class Grades(NamedTuple):
    """Nuclei by the strength of their stain."""

    negative: int
    weak: int
    moderate: int
    strong: int


def wilson(positive: int, counted: int, confidence: float = 0.95) -> tuple[float, float, float]:
    """Share of positives with Wilson's score interval.

    It holds for few nuclei and shares near 0 and 1 too. It tells how exact counting makes the
    share of this place, if nuclei are independent; not how much places or observers differ.

    Args:
        positive: How many.
        counted: Of how many.
        confidence: Share of cases in which such an interval holds the truth.

    Returns:
        (share, lower, upper); NaN each where nothing was counted.

    Source:
        Wilson 1927, J. Am. Stat. Assoc. 22:209, equation for the limits.

    Example:
        >>> [round(v, 4) for v in wilson(10, 100)]
        [0.1, 0.0552, 0.1744]
    """
    if counted == 0:
        return math.nan, math.nan, math.nan
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = positive / counted, z * z / counted
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / counted + weight / (4 * counted)) / (1 + weight)
    # at 0 and 1 the formula gives the very end, but for rounding
    low = 0.0 if positive == 0 else max(centre - half, 0.0)
    high = 1.0 if positive == counted else min(centre + half, 1.0)
    return share, low, high


def h_score(grades: Grades) -> float:
    """H-score: 1 x % weak + 2 x % moderate + 3 x % strong, 0..300; NaN of no nuclei.

    Example:
        >>> h_score(Grades(negative=50, weak=20, moderate=20, strong=10))
        90.0
    """
    total = sum(grades)
    if total == 0:
        return math.nan
    return 100 * (grades.weak + 2 * grades.moderate + 3 * grades.strong) / total
