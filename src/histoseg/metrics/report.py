"""Reports: scores with confidence intervals, and two models compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from histoseg.contracts import Array, Difference, Report, Score
from histoseg.metrics.functional.bootstrap import draws, percentiles
from histoseg.metrics.functional.paired import permutation_p, swaps, wilcoxon_p
from histoseg.metrics.statistics import Statistic, image_means, statistics
from histoseg.metrics.tallies import Tallies

NONE = (math.nan, math.nan)


def report(
    tallies: Tallies,
    *,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Report:
    """Score images, with a percentile-bootstrap interval on each number.

    Args:
        tallies: Counts of the images.
        bootstrap: Draws; 0 for no intervals. Drawn are groups of images, where they are known.
        confidence: Share of the draws that an interval holds.
        seed: Of the draws.
        settings: Noted in the report beside these.
    """
    groups = tallies.groups
    scores = _with_intervals(statistics(tallies), groups, bootstrap, confidence, seed)
    own: dict[str, Any] = {"bootstrap": bootstrap, "confidence": confidence, "seed": seed}
    drawn = "images" if len(set(groups.tolist())) == len(groups) else "groups of images"
    own |= {"drawn": drawn, "images": len(groups), "draw_from": len(set(groups.tolist()))}
    return Report(
        scores=scores,
        classes=tallies.classes,
        images=tuple(tallies.rows()),
        confusion=tallies.confusion.sum(axis=0),
        settings={**own, **(settings or {})},
    )


def image_scores(
    rows: Sequence[Mapping[str, Any]],
    groups: Sequence[str] = (),
    *,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Score, ...]:
    """Average what is known of each image, over all of them and over those of each tissue.

    Args:
        rows: An image each, with ``tissue``, "" where unknown; what is a float is a score.
        groups: Patient or slide of each image; empty where each stands for itself.
        bootstrap: As in `report`.
        confidence: As in `report`.
        seed: As in `report`.
    """
    names = [name for name, value in rows[0].items() if isinstance(value, float)]
    values = {name: np.array([row[name] for row in rows], np.float64) for name in names}
    every = image_means(values, [str(row["tissue"]) for row in rows])
    whose = np.unique(list(groups) or list(map(str, range(len(rows)))), return_inverse=True)[1]
    return _with_intervals(every, whose, bootstrap, confidence, seed)


def compare(
    first: Tallies,
    second: Tallies,
    *,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """Compare two models on the same images, pair by pair.

    Args:
        first: Counts of one model.
        second: Counts of the other, of the same images in the same order.
        bootstrap: Draws of the interval, and exchanges of the permutation test.
        confidence: As in `report`.
        seed: Of draws and exchanges.

    Raises:
        ValueError: If the images or the classes are not the same.
    """
    if (first.names, first.classes) != (second.names, second.classes):
        raise ValueError("two models are compared on the same images and classes only")
    both, groups = statistics(_joined(first, second)), first.groups
    drawn = draws(groups, bootstrap if _several(groups) else 0, seed)
    samples = _differences(both, ((w, np.zeros_like(w)) for w in drawn))
    chance = _differences(both, ((1 - s, s) for s in swaps(groups, bootstrap, seed)))
    sides = zip(_points(statistics(first)), _points(statistics(second)), strict=True)
    found = []
    for one, (own, other), sample, exchanged in zip(both, sides, samples, chance, strict=True):
        value = other.value - own.value
        low, high = percentiles(sample, confidence)
        chance_p = permutation_p(value, exchanged) if bootstrap else math.nan
        rank_p, n = _signed_rank(one, groups), len(set(groups.tolist()))
        found.append(Difference(own, other, value, low, high, chance_p, rank_p, n))
    return tuple(found)


def _with_intervals(
    every: list[Statistic], groups: Array, bootstrap: int, confidence: float, seed: int
) -> tuple[Score, ...]:
    samples = _samples(every, draws(groups, bootstrap if _several(groups) else 0, seed))
    ends = (percentiles(sample, confidence) for sample in samples)
    return tuple(
        replace(score, low=low, high=high)
        for score, (low, high) in zip(_points(every), ends, strict=True)
    )


def _points(every: Iterable[Statistic]) -> Iterator[Score]:
    """Every score without its interval."""
    for one in every:
        value = float(one.finish(one.columns.sum(axis=0, keepdims=True))[0])
        yield Score(one.group, one.of, one.name, one.average, value, *NONE, one.n, one.unit)


def _samples(every: list[Statistic], weights: Iterable[Array]) -> list[Array]:
    """Each number for each row of weights (B, N): one (B,) a number."""
    numbers = _calculator(every)
    return _put_together([numbers(w) for w in weights], len(every))


def _differences(every: list[Statistic], halves: Iterable[tuple[Array, Array]]) -> list[Array]:
    """Second minus first, for weights (own, other) of the first model's rows and the second's."""
    numbers = _calculator(every)
    parts = []
    for own, other in halves:
        here, there = numbers(np.hstack([own, other])), numbers(np.hstack([other, own]))
        parts.append([b - a for a, b in zip(here, there, strict=True)])
    return _put_together(parts, len(every))


def _calculator(every: list[Statistic]) -> Callable[[Array], list[Array]]:
    """What turns weights (B, N) into all numbers, in one product of matrices."""
    columns = np.concatenate([one.columns for one in every], axis=1)
    ends = np.cumsum([one.columns.shape[1] for one in every])[:-1]

    def numbers(weights: Array) -> list[Array]:
        sums = np.split(weights @ columns, ends, axis=1)
        return [one.finish(part) for one, part in zip(every, sums, strict=True)]

    return numbers


def _put_together(parts: list[list[Array]], count: int) -> list[Array]:
    return [np.concatenate([part[i] for part in parts] or [np.zeros(0)]) for i in range(count)]


def _joined(first: Tallies, second: Tallies) -> Tallies:
    """Both models' images as one set, so that weights choose between them."""
    values = {k: np.concatenate([v, second.values[k]]) for k, v in first.values.items()}
    return replace(
        first,
        names=first.names + second.names,
        tissues=first.tissues + second.tissues,
        groups=np.concatenate([first.groups, second.groups]),
        panoptic=np.concatenate([first.panoptic, second.panoptic]),
        confusion=np.concatenate([first.confusion, second.confusion]),
        hits=np.concatenate([first.hits, second.hits]),
        values=values,
    )


def _signed_rank(one: Statistic, groups: Array) -> float:
    if one.per_image is None:
        return float("nan")
    first, second = one.per_image.reshape(2, -1)
    known = ~(np.isnan(first) | np.isnan(second))
    count = np.bincount(groups[known])
    keep = count > 0
    means = [
        np.bincount(groups[known], side[known])[keep] / count[keep] for side in (first, second)
    ]
    return wilcoxon_p(*means)


def _several(groups: Array) -> bool:
    return len(set(groups.tolist())) > 1
