"""The nouns that cross rooms: what a data set gives, a model takes, and a writer receives.

Read this file first. Arrays are indexed [y, x], points are (x, y), sizes are (height, width),
tensors are (B, C, H, W). A class k (1..K) is ``classes[k - 1]``; 0 is background everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Maps = dict[str, Tensor]
"""What a network says of each pixel, by name: each (B, C, H, W), float32, after activations."""


class Place(NamedTuple):
    """Where a tile was cut.

    Attributes:
        slide: Name of the image or slide it comes from (file stem, or fold and index).
        x: Left edge in level-0 pixels.
        y: Top edge in level-0 pixels.
        mpp: Micrometres per pixel of the tile.
    """

    slide: str
    x: int
    y: int
    mpp: float


class Record(TypedDict, total=False):
    """One item as a data set stores it: arrays, before augmentation.

    A data set gives some of the keys and names them in its ``provides``.

    Attributes:
        image: (H, W, C), uint8 in 0..255, or float32 in [0, 1].
        instances: (H, W), int32. 0 is background; every other id is one object.
        semantic: (H, W), uint8 in 0..K. The class of each pixel.
        ignore: (H, W), bool. True where the annotation says nothing: neither trained nor scored.
        points: (N, 3), float32: x, y and class (0..K) of nuclei of which only the place is known.
            For evaluation; such records are not augmented.
        tissue: Organ or tissue of the image, where the data set knows it.
        place: Where the item was cut.
    """

    image: Array
    instances: Array
    semantic: Array
    ignore: Array
    points: Array
    tissue: str
    place: Place


class Sample(TypedDict, total=False):
    """One item as a model takes it: tensors, after augmentation. A batch has a leading B on each.

    Attributes:
        image: (C, H, W), float32 in [0, 1].
        instances: (H, W), int64, ids as in `Record`.
        semantic: (H, W), int64 in 0..K.
        ignore: (H, W), bool, as in `Record`.
        points: (N, 3), float32, as in `Record`; images of a batch need equally many, so batches
            are of one image.
        tissue: As in `Record`; a list of B strings in a batch.
        place: As in `Record`; in a batch its fields are a list and three tensors.
    """

    image: Tensor
    instances: Tensor
    semantic: Tensor
    ignore: Tensor
    points: Tensor
    tissue: str
    place: Place


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


@dataclass(frozen=True)
class Prediction:
    """What a model made of one image, in pixels of that image.

    Attributes:
        name: Stem of the files to write.
        image: (H, W, 3), uint8. The image in the frame of ``instances``.
        instances: The objects found, in pixels of ``image``.
        classes: Names of classes 1..K; empty for a model without classes.
        colours: K RGB triples 0..255, one for each class.
        mpp: Micrometres per pixel of ``image``; None where unknown.
        maps: What the network said, by name, each (C, H, W) float32; empty unless asked for.
        measures: As in `Nuclei`.
        source: File of the image, where there is one.
        scale_xy: As in `SlidePrediction`.
        bounds_xy: As in `SlidePrediction`.
    """

    name: str
    image: Array
    instances: Instances
    classes: tuple[str, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    mpp: float | None = None
    maps: Mapping[str, Array] = field(default_factory=dict)
    measures: Mapping[str, Array] = field(default_factory=dict)
    source: Path | None = None
    scale_xy: tuple[float, float] = (1.0, 1.0)
    bounds_xy: tuple[int, int] = (0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        height, width = self.image.shape[:2]
        return height, width

    @property
    def thumbnail(self) -> Array:
        """The image."""
        return self.image

    def parts(self) -> Iterator[Nuclei]:
        """All objects at once."""
        yield Nuclei.of(self.instances, self.measures)

    def label_parts(self) -> Iterator[LabelPart]:
        """The whole label map."""
        yield LabelPart(0, 0, self.instances.labels)


@dataclass(frozen=True)
class SlidePrediction:
    """What a model made of a slide, region by region.

    Everything is in pixels of one frame: the slide as the model saw it, at its own resolution.
    ``scale_xy`` leads from there to the slide at full size.

    Attributes:
        name: Stem of the files to write.
        size: (height, width) of the frame.
        parts: Gives the objects anew at each call, a part for each region, in order.
        label_parts: Gives the label maps, as many and in the same order.
        classes: Names of classes 1..K; empty for a model without classes.
        colours: K RGB triples 0..255, one for each class.
        mpp: Micrometres per pixel of the frame; None where unknown.
        scale_xy: Level-0 pixels for each pixel of the frame.
        bounds_xy: Upper left corner of what was scanned, in level-0 pixels.
        thumbnail: (h, w, 3), uint8: the whole slide.
        source: The slide.
    """

    name: str
    size: tuple[int, int]
    parts: Callable[[], Iterator[Nuclei]]
    label_parts: Callable[[], Iterator[LabelPart]] = lambda: iter(())
    classes: tuple[str, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    mpp: float | None = None
    scale_xy: tuple[float, float] = (1.0, 1.0)
    bounds_xy: tuple[int, int] = (0, 0)
    thumbnail: Array | None = None
    source: Path | None = None


Predicted = Prediction | SlidePrediction
"""What writers take; most of them only its name, size, classes, colours, mpp, scale and parts."""


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
