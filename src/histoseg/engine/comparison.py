"""What a comparison of runs found."""

from __future__ import annotations

from dataclasses import dataclass

from histoseg.engine.run_folder import RunFolder
from histoseg.metrics.functional.runs import Spread


@dataclass(frozen=True)
class Against:
    """A group against the best one, on the test images of both.

    Attributes:
        difference: Mean over images of best minus this; NaN where images have no such score.
        p: Signed-rank test over images (means over the seeds of each group).
        p_holm: Corrected for the number of groups.
        images: Pairs.
    """

    difference: float
    p: float
    p_holm: float
    images: int


@dataclass(frozen=True)
class Comparison:
    """What is known of several runs.

    Attributes:
        groups: Runs by what sets them apart, besides their seeds.
        metric: That they are ranked by, without ``test/``.
        higher: Whether more of it is better.
        metrics: That are shown; the ranking one first.
        table: By group and metric.
        order: Groups, the best first.
        against: The best against each other group.
        warnings: What makes the runs less comparable.
    """

    groups: dict[str, list[RunFolder]]
    metric: str
    higher: bool
    metrics: tuple[str, ...]
    table: dict[str, dict[str, Spread]]
    order: tuple[str, ...]
    against: dict[str, Against]
    warnings: tuple[str, ...]
