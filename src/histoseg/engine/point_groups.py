"""Scores against points for each annotator: how much of a score is who drew the points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics import PointScores
from histoseg.writers import write_csv

GROUPS = "groups.csv"


def write_point_groups(
    folder: Path,
    counts: Mapping[str, Array],
    annotator_of: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    metric: PointScores,
) -> None:
    """Write ``groups.csv``: a row for all images, for each group and for each annotator.

    Args:
        folder: Where it goes.
        counts: Of each image by name, as `PointScores.count` gives them.
        annotator_of: Annotator of each image.
        groups: Annotators by the name of their group; one may be in several, or in none.
        metric: What scores counts; counts of a group are added up.

    Raises:
        ValueError: If a group names somebody who annotated none of the images.
    """
    there = set(annotator_of.values())
    strangers = sorted({who for some in groups.values() for who in some} - there)
    if strangers:
        raise ValueError(
            f"points.groups names {strangers}; the images are annotated by {sorted(there)}"
        )
    rows = [
        {
            "group": group,
            "images": len(some),
            "points": _points(some),
            **metric.scores(np.sum(some, axis=0)),
        }
        for group, some in _grouped(counts, annotator_of, groups)
    ]
    write_csv(folder / GROUPS, list(rows[0]), [list(row.values()) for row in rows])


def _grouped(
    counts: Mapping[str, Array],
    annotator_of: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
) -> Iterator[tuple[str, list[Array]]]:
    yield "all", list(counts.values())
    alone = {who: [who] for who in sorted(set(annotator_of.values()))}
    for group, members in {**groups, **alone}.items():
        yield group, [n for name, n in counts.items() if annotator_of.get(name) in members]


def _points(counts: Sequence[Array]) -> int:
    """Annotated nuclei: those of pairs, and those without partner."""
    agreed, _, other_class, _, missed = np.sum(counts, axis=0).sum(axis=1).tolist()
    return int(agreed + other_class + missed)
