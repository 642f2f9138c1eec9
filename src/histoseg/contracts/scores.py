"""Numbers of a report, with all that one has to know to quote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from histoseg.contracts.samples import Array


@dataclass(frozen=True)
class Score:
    """One number of a report, with all that one has to know to quote it.

    Attributes:
        group: ``overall``, ``class`` or ``tissue``.
        of: Name of the class or tissue; "" overall.
        name: What is measured: ``pq``, ``f1``.
        average: How images are put together: ``image mean``, ``tissue mean``, ``class mean`` or
            ``pooled`` (counts of all images added up first).
        value: The score; NaN where it says nothing.
        low: Lower end of the confidence interval; NaN where there is none.
        high: Upper end.
        n: How many ``unit`` the average is over.
        unit: ``images``, ``tissues``, ``classes`` or ``nuclei``.
    """

    group: str
    of: str
    name: str
    average: str
    value: float
    low: float
    high: float
    n: int
    unit: str


@dataclass(frozen=True)
class Difference:
    """One score of two models on the same images: second minus first.

    Attributes:
        first: Score of the first model.
        second: Score of the second model.
        value: Their difference.
        low: Lower end of its confidence interval, of paired draws.
        high: Upper end.
        p_permutation: Two-sided, by exchanging the two models' results of an image.
        p_wilcoxon: Two-sided signed-rank test over images; NaN where a score is not a mean of
            images.
        n: Pairs (images, or groups of images) behind both tests.
    """

    first: Score
    second: Score
    value: float
    low: float
    high: float
    p_permutation: float
    p_wilcoxon: float
    n: int


@dataclass(frozen=True)
class Report:
    """All scores of predictions against truths.

    Attributes:
        scores: The numbers.
        classes: Names of the classes 1..K.
        images: One row an image: name, tissue, scores.
        confusion: (2 + K, 2 + K), int64: rows as annotated, columns as predicted; first without
            partner, then without class, then the classes.
        settings: How it was made: radius, draws, confidence, seed.
    """

    scores: tuple[Score, ...]
    classes: tuple[str, ...]
    images: tuple[Mapping[str, str | float], ...]
    confusion: Array
    settings: Mapping[str, Any] = field(default_factory=dict)
