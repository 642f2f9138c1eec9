"""The objects found in a picture, with and without their label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from histoseg.contracts.samples import Array


@dataclass(frozen=True)
class Instances:
    """The objects found in one region: a label array and, row by row, what is known of each.

    Coordinates are pixels of the region, (x, y), pixel centres on integers.

    Attributes:
        labels: (H, W), int32. 0 is background; ids need not be contiguous.
        ids: (N,), int32. The id in ``labels`` of each row, ascending.
        semantic: (N,), int32 in 0..K. Class of each object; 0 where no class was predicted.
        score: (N,), float32 in [0, 1]. Share of the object's pixels that voted for its class,
            or its mean foreground probability where there are no classes.
        centroid_xy: (N, 2), float64.
        box_xyxy: (N, 4), int32. Left, top, right, bottom; right and bottom are exclusive.
        contour_xy: N arrays (K_i, 2), int32. Outer outline through the outermost pixel centres,
            not closed (the first point is not repeated).
    """

    labels: Array
    ids: Array
    semantic: Array
    score: Array
    centroid_xy: Array
    box_xyxy: Array
    contour_xy: tuple[Array, ...]

    @classmethod
    def none(cls, height: int, width: int) -> Instances:
        """No objects, in a region of that size: of a model that finds none."""
        return cls(
            labels=np.zeros((height, width), np.int32),
            ids=np.zeros(0, np.int32),
            semantic=np.zeros(0, np.int32),
            score=np.zeros(0, np.float32),
            centroid_xy=np.zeros((0, 2)),
            box_xyxy=np.zeros((0, 4), np.int32),
            contour_xy=(),
        )

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.ids)

    def semantic_map(self) -> Array:
        """Paint each object with its class: (H, W), int32."""
        table = np.zeros(int(self.labels.max(initial=0)) + 1, dtype=np.int32)
        table[self.ids] = self.semantic
        return table[self.labels]


@dataclass(frozen=True)
class Nuclei:
    """Some of the objects of a picture, without its label map: what writers stream.

    Coordinates are pixels of the whole picture, (x, y), pixel centres on integers.

    Attributes:
        ids: (N,), int64.
        semantic: (N,), int32 in 0..K, as in `Instances`.
        score: (N,), float32 in [0, 1], as in `Instances`.
        centroid_xy: (N, 2), float64.
        box_xyxy: (N, 4), int64. Right and bottom are exclusive.
        points_xy: (M, 2), int32. The contours of all, one after the other, each as in `Instances`.
        offsets: (N + 1,), int64. Contour i is ``points_xy[offsets[i]:offsets[i + 1]]``.
        measures: Further numbers by name, each (N,), which tables and GeoJSON carry along.
    """

    ids: Array
    semantic: Array
    score: Array
    centroid_xy: Array
    box_xyxy: Array
    points_xy: Array
    offsets: Array
    measures: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Instances, measures: Mapping[str, Array] | None = None) -> Nuclei:
        """The rows of a region, in its pixels; `shifted` moves them to the picture."""
        lengths = [len(contour) for contour in found.contour_xy]
        points = np.concatenate([np.zeros((0, 2), np.int32), *found.contour_xy])
        return cls(
            ids=found.ids.astype(np.int64),
            semantic=found.semantic.astype(np.int32),
            score=found.score.astype(np.float32),
            centroid_xy=found.centroid_xy.reshape(-1, 2),
            box_xyxy=found.box_xyxy.reshape(-1, 4).astype(np.int64),
            points_xy=points.astype(np.int32),
            offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            measures=measures or {},
        )

    @classmethod
    def joined(cls, parts: Sequence[Nuclei]) -> Nuclei:
        """All of one or more parts, in their order."""
        sizes = np.cumsum([0, *(len(part.points_xy) for part in parts)])
        offsets = [part.offsets[:-1] + size for part, size in zip(parts, sizes[:-1], strict=True)]
        rows = ("ids", "semantic", "score", "centroid_xy", "box_xyxy", "points_xy")
        columns = {row: np.concatenate([getattr(part, row) for part in parts]) for row in rows}
        measures = {m: np.concatenate([p.measures[m] for p in parts]) for m in parts[0].measures}
        return cls(**columns, offsets=np.concatenate([*offsets, sizes[-1:]]), measures=measures)

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.ids)

    def __getitem__(self, rows: slice | Array) -> Nuclei:
        """Some of the objects: a slice, row numbers, or a mask (N,) of bool."""
        lengths, starts = np.diff(self.offsets)[rows], self.offsets[:-1][rows]
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        place = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Nuclei(
            self.ids[rows],
            self.semantic[rows],
            self.score[rows],
            self.centroid_xy[rows],
            self.box_xyxy[rows],
            self.points_xy[place],
            offsets,
            {name: values[rows] for name, values in self.measures.items()},
        )

    def shifted(self, x: int, y: int) -> Nuclei:
        """The same objects in a frame whose origin lies ``x`` to the left and ``y`` above."""
        return replace(
            self,
            centroid_xy=self.centroid_xy + np.array([x, y]),
            box_xyxy=self.box_xyxy + np.array([x, y, x, y]),
            points_xy=self.points_xy + np.array([x, y], dtype=np.int32),
        )

    def contours(self) -> list[Array]:
        """The contour of each object: N arrays (K_i, 2)."""
        return [self.points_xy[a:b] for a, b in pairwise(self.offsets.tolist())]


class StainPart(NamedTuple):
    """Part of a translated picture.

    Attributes:
        x: Its left edge, px of the picture.
        y: Its top edge.
        rgb: (h, w, 3), uint8. Parts do not overlap.
    """

    x: int
    y: int
    rgb: Array


class LabelPart(NamedTuple):
    """Part of a label map.

    Attributes:
        x: Its left edge, px of the picture.
        y: Its top edge.
        labels: (h, w), int32: the ids of `Nuclei`, or classes. 0 says nothing, also where parts
            overlap; of two that say something the first counts.
    """

    x: int
    y: int
    labels: Array
