"""The counts of all images of a report, stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.average_precision import THRESHOLDS, average_precision
from histoseg.metrics.functional.confusion import detection_of
from histoseg.metrics.functional.detection import detection_scores
from histoseg.metrics.functional.pannuke import pannuke_scores
from histoseg.metrics.functional.pq import PRED, TRUE
from histoseg.metrics.tally import Tally

AP_MEAN = "ap_50_95"


def ap_name(threshold: float) -> str:
    """Name of the average precision at an IoU: ``ap_50``."""
    return f"ap_{round(100 * threshold)}"


@dataclass(frozen=True)
class Tallies:
    """N images, row by row.

    Attributes:
        names: Of the images.
        classes: Names of the classes 1..K.
        tissues: Tissue of each image; "" where unknown.
        groups: (N,), int64 in 0..G-1. Images of one group (patient, slide) are drawn together.
        panoptic: (N, 1 + K, 4), see `Tally`.
        confusion: (N, 2 + K, 2 + K).
        hits: (N, 10).
        values: Scores of each image by name, each (N,); NaN where an image says nothing.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    tissues: tuple[str, ...]
    groups: Array
    panoptic: Array
    confusion: Array
    hits: Array
    values: dict[str, Array] = field(repr=False)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.names)

    def rows(self) -> list[dict[str, str | float]]:
        """The scores of each image, as a table."""
        columns = {name: column.tolist() for name, column in self.values.items()}
        return [
            {"image": name, "tissue": tissue, **{k: v[i] for k, v in columns.items()}}
            for i, (name, tissue) in enumerate(zip(self.names, self.tissues, strict=True))
        ]


def stack(
    tallies: Sequence[Tally],
    names: Sequence[str],
    classes: Sequence[str] | None,
    tissues: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Tallies:
    """Stack the counts of images.

    Args:
        tallies: One an image.
        names: Of the images.
        classes: Names of the classes 1..K; None names them by their numbers.
        tissues: One an image; empty where unknown.
        groups: Patient or slide of each image; empty where each stands for itself.

    Raises:
        ValueError: If there is no image.
    """
    if not len(tallies):
        raise ValueError("there is no image to score")
    highest = max(len(t.panoptic) - 1 for t in tallies)
    named = tuple(map(str, range(1, highest + 1))) if classes is None else tuple(classes)
    panoptic = np.stack([_padded(t.panoptic, 1 + len(named), 4) for t in tallies])
    size = 2 + len(named)
    confusion = np.stack([_padded(t.confusion, size, size) for t in tallies])
    found = np.stack([t.hits for t in tallies])
    whose = list(groups) or list(names)
    return Tallies(
        names=tuple(names),
        classes=named,
        tissues=tuple(tissues) or ("",) * len(names),
        groups=np.unique(whose, return_inverse=True)[1],
        panoptic=panoptic,
        confusion=confusion,
        hits=found,
        values=_values(tallies, panoptic, confusion, found, named),
    )


def _values(
    tallies: Sequence[Tally],
    panoptic: Array,
    confusion: Array,
    found: Array,
    classes: tuple[str, ...],
) -> dict[str, Array]:
    rows = [t.scores | pannuke_scores(p, classes) for t, p in zip(tallies, panoptic, strict=True)]
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    values |= detection_scores(detection_of(confusion), classes)
    if not classes:
        for name in ("mpq", "type_accuracy"):
            del values[name]
    true, pred = panoptic[:, 0, TRUE], panoptic[:, 0, PRED]
    precision = average_precision(found, true[:, None], pred[:, None])
    values |= {ap_name(t): precision[:, i] for i, t in enumerate(THRESHOLDS)}
    values[AP_MEAN] = precision.mean(axis=1)
    return values | {"true_nuclei": true.astype(np.int64), "pred_nuclei": pred.astype(np.int64)}


def _padded(counts: Array, rows: int, columns: int) -> Array:
    missing = ((0, rows - counts.shape[0]), (0, columns - counts.shape[1]))
    return np.pad(counts, missing)
