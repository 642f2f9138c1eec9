"""Every number of a report, as a function of sums over images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from histoseg.contracts import Array
from histoseg.metrics.functional.average_precision import THRESHOLDS
from histoseg.metrics.functional.confusion import detection_of
from histoseg.metrics.functional.detection import detection_parts
from histoseg.metrics.functional.pq import PRED, TRUE, quality
from histoseg.metrics.functional.ratio import ratio
from histoseg.metrics.tallies import AP_MEAN, Tallies, ap_name

INSTANCE = ("pq", "dq", "sq", "dice", "dice2", "aji", "aji_plus")
IMAGE_MEAN, TISSUE_MEAN, CLASS_MEAN, POOLED = "image mean", "tissue mean", "class mean", "pooled"


@dataclass(frozen=True)
class Statistic:
    """One number of a report before it is computed; for the names see `Score`.

    Attributes:
        columns: (N, c), float64: what is added up over images, each counted as often as drawn.
        finish: Sums (B, c) to scores (B,).
        per_image: (N,), the scores that a mean of images is made of; None for others.
    """

    group: str
    of: str
    name: str
    average: str
    n: int
    unit: str
    columns: Array
    finish: Callable[[Array], Array]
    per_image: Array | None = None


def statistics(tallies: Tallies) -> list[Statistic]:
    """List every number that the counts of these images give, in the order of a report."""
    return [*_overall(tallies), *_by_class(tallies), *_by_tissue(tallies)]


def image_means(values: Mapping[str, Array], tissues: Sequence[str]) -> list[Statistic]:
    """List the means of scores of images (N,): over all, then over those of each tissue."""
    every = [_mean("overall", "", name, column) for name, column in values.items()]
    for tissue in sorted(set(tissues) - {""}):
        inside = np.where(np.array(tissues) == tissue, 1.0, np.nan)
        every += [_mean("tissue", tissue, name, column * inside) for name, column in values.items()]
    return every


def _overall(tallies: Tallies) -> Iterator[Statistic]:
    values, nuclei = tallies.values, int(tallies.panoptic[:, 0, TRUE].sum())
    panoptic = [name for name in ("bpq", "mpq") if name in values]
    for name in (*INSTANCE, *panoptic, *map(ap_name, THRESHOLDS), AP_MEAN):
        yield _mean("overall", "", name, values[name])
    for name in panoptic:
        of_tissues = [v for _, v in _each_tissue(tallies, values[name])]
        yield from _mean_of_means(name, TISSUE_MEAN, "tissues", of_tissues)
    of_classes = [values[f"pq_{name}"] for name in tallies.classes]
    yield from _mean_of_means("mpq", CLASS_MEAN, "classes", of_classes)
    pooled = partial(_pooled, "overall", "", nuclei)
    for name in ("pq", "dq", "sq"):
        yield pooled(name, tallies.panoptic[:, 0], partial(_quality, name))
    if tallies.classes:
        yield pooled("mpq_plus", tallies.panoptic[:, 1:].reshape(len(tallies), -1), _mpq_plus)
    for name, (part, whole) in _detection(tallies).items():
        yield pooled(name, np.stack([part, whole], axis=1), _share)
    yield from _pooled_precision(tallies, nuclei)


def _by_class(tallies: Tallies) -> Iterator[Statistic]:
    annotated = tallies.panoptic[:, :, TRUE].sum(axis=0)
    parts = detection_parts(detection_of(tallies.confusion), tallies.classes)
    for k, name in enumerate(tallies.classes, start=1):
        pooled = partial(_pooled, "class", name, int(annotated[k]))
        yield _mean("class", name, "pq", tallies.values[f"pq_{name}"])
        yield pooled("pq", tallies.panoptic[:, k], partial(_quality, "pq"))
        yield pooled("f1", np.stack(parts[f"f1_{name}"], axis=1), _share)
        right = tallies.confusion[:, 1 + k, 1 + k]
        for label, axis in (("precision", 1), ("recall", 2)):
            whole = tallies.confusion.sum(axis=axis)[:, 1 + k]
            yield pooled(label, np.stack([right, whole], axis=1), _share)


def _by_tissue(tallies: Tallies) -> Iterator[Statistic]:
    names = [name for name in ("mpq", "bpq", "pq", "dice", "aji") if name in tallies.values]
    part, whole = _detection(tallies)["f1_detection"]
    for tissue, inside in _each_tissue(tallies, np.ones(len(tallies))):
        for name in names:
            yield _mean("tissue", tissue, name, tallies.values[name] * inside)
        within = np.nan_to_num(inside)
        nuclei = int(tallies.panoptic[:, 0, TRUE] @ within)
        columns = np.stack([part, whole], axis=1) * within[:, None]
        yield _pooled("tissue", tissue, nuclei, "f1_detection", columns, _share)


def _each_tissue(tallies: Tallies, values: Array) -> Iterator[tuple[str, Array]]:
    """The tissues by name, with the values of their images; NaN for all others."""
    whose = np.array(tallies.tissues)
    for tissue in sorted(set(tallies.tissues) - {""}):
        yield tissue, np.where(whose == tissue, values, np.nan)


def _detection(tallies: Tallies) -> dict[str, tuple[Array, Array]]:
    """Part and whole of each image, of what is scored by paired centres."""
    confusion = tallies.confusion
    parts = detection_parts(detection_of(confusion), ())
    if not tallies.classes:
        del parts["type_accuracy"]
    paired = confusion[:, 1:, 1:].sum(axis=(1, 2))
    return parts | {
        "precision_detection": (paired, confusion[:, :, 1:].sum(axis=(1, 2))),
        "recall_detection": (paired, confusion[:, 1:].sum(axis=(1, 2))),
    }


def _pooled_precision(tallies: Tallies, nuclei: int) -> Iterator[Statistic]:
    """At each IoU: AP, precision, recall and F1 of all images together."""
    true, pred = tallies.panoptic[:, 0, TRUE], tallies.panoptic[:, 0, PRED]
    pooled = partial(_pooled, "overall", "", nuclei)
    for threshold, hits in zip(THRESHOLDS, tallies.hits.T, strict=True):
        parts = {"ap": (hits, true + pred - hits), "precision": (hits, pred)}
        parts |= {"recall": (hits, true), "f1": (2 * hits, true + pred)}
        for name, part in parts.items():
            label = ap_name(threshold).replace("ap", name)
            yield pooled(label, np.stack(part, axis=1), _share)
    columns = np.concatenate([tallies.hits, (true + pred)[:, None] - tallies.hits], axis=1)
    yield pooled(AP_MEAN, columns, _mean_share)


def _mean(group: str, of: str, name: str, values: Array) -> Statistic:
    columns = _known(values)
    n = int(columns[:, 1].sum())
    return Statistic(group, of, name, IMAGE_MEAN, n, "images", columns, _share, values)


def _mean_of_means(
    name: str, average: str, unit: str, values: Sequence[Array]
) -> Iterator[Statistic]:
    """The mean over tissues or classes of means over images; of none there is no number."""
    known = [_known(v) for v in values if not np.isnan(v).all()]
    if known:
        columns = np.concatenate([[k[:, i] for k in known] for i in (0, 1)]).T
        yield Statistic("overall", "", name, average, len(known), unit, columns, _mean_share)


def _pooled(
    group: str, of: str, n: int, name: str, columns: Array, finish: Callable[[Array], Array]
) -> Statistic:
    counts = columns.astype(np.float64)
    return Statistic(group, of, name, POOLED, n, "nuclei", counts, finish)


def _known(values: Array) -> Array:
    """Scores with 0 for NaN, and whether they are known: (N, 2)."""
    known = ~np.isnan(values)
    return np.stack([np.where(known, values, 0), known], axis=1)


def _share(sums: Array) -> Array:
    return ratio(sums[:, 0], sums[:, 1])


def _mean_share(sums: Array) -> Array:
    """Mean of several shares: first all parts, then all wholes."""
    half = sums.shape[1] // 2
    return _nanmean(ratio(sums[:, :half], sums[:, half:]))


def _quality(name: str, counts: Array) -> Array:
    found: Array = getattr(quality(counts), name)
    return found


def _mpq_plus(counts: Array) -> Array:
    return _nanmean(quality(counts.reshape(len(counts), -1, 4)).pq)


def _nanmean(values: Array) -> Array:
    return ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))
