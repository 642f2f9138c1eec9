"""The nouns that cross rooms: what a data set gives, a model takes, and a writer receives.

Read this file first. Arrays are indexed [y, x], points are (x, y), sizes are (height, width),
tensors are (B, C, H, W). A class k (1..K) is ``classes[k - 1]``; 0 is background everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class Prediction:
    """What a model made of one image, as every writer receives it.

    Attributes:
        name: Stem of the files to write.
        image: (H, W, 3), uint8. The image in the frame of ``instances``.
        instances: The objects found, in pixels of ``image``.
        classes: Names of classes 1..K; empty for a model without classes.
        colours: K RGB triples 0..255, one for each class.
        mpp: Micrometres per pixel of ``image``; None where unknown.
        maps: What the network said, by name, each (C, H, W) float32; empty unless asked for.
    """

    name: str
    image: Array
    instances: Instances
    classes: tuple[str, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    mpp: float | None = None
    maps: Mapping[str, Array] = field(default_factory=dict)


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
