"""Drawn multiplex cells with scribbles: the data of models that learn from scribbles alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from skimage.morphology import skeletonize
from torch.utils.data import Dataset

from histoseg.contracts import BACKGROUND, Array, Place, Record, planes_of
from histoseg.data.synthetic import SPLITS, Split, check_names

CHANNELS = ("membrane", "nuclei")
CELL, INSIDE, BARE = "cell", "inside", "bare"
KINDS = (CELL, INSIDE, BARE)
TRIES = 40  # places tried for each cell


class _Ellipse(NamedTuple):
    y: float
    x: float
    axes: tuple[float, float]
    angle: float

    def grown(self, factor: float, by: float) -> _Ellipse:
        long, short = self.axes
        return self._replace(axes=(factor * long + by, factor * short + by))

    def mask(self, size: int) -> Array:
        """Pixels of it: (size, size), bool."""
        y, x = np.mgrid[:size, :size] - np.array([self.y, self.x])[:, None, None]
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        along, across = x * cos + y * sin, y * cos - x * sin
        return np.asarray((along / self.axes[0]) ** 2 + (across / self.axes[1]) ** 2 <= 1)


def draw_cells(
    size: int, seed: int | Sequence[int], *, cells: int = 45, bare: float = 0.0
) -> tuple[Array, dict[str, Array]]:
    """Draw cells that do not touch: a channel that fills each cell, and one of its nucleus.

    Args:
        size: Side of the image, px.
        seed: Entropy of the generator.
        cells: How many, where there is room.
        bare: Share of cells that show their nucleus alone.

    Returns:
        Image (size, size, 2), float32, about 0..1, not normalised; and label maps (size, size),
        int32, of ``cell``, ``inside`` (nuclei of these cells) and ``bare`` (other nuclei).
    """
    rng = np.random.default_rng(seed)
    image = np.zeros((size, size, 2), np.float32)
    labels = {kind: np.zeros((size, size), np.int32) for kind in KINDS}
    taken = np.zeros((size, size), bool)
    for number in range(1, cells + 1):
        for _ in range(TRIES):
            y, x = rng.uniform(0, size, 2)
            long = rng.uniform(7, 11)
            shape = _Ellipse(y, x, (long, long * rng.uniform(0.75, 1)), rng.uniform(0, np.pi))
            if not (shape.grown(1, 2).mask(size) & taken).any():
                break
        else:
            continue
        cell, nucleus = shape.mask(size), shape.grown(0.5, 0).mask(size)
        taken |= cell
        image[..., 1][nucleus] = rng.uniform(0.6, 1)
        if rng.random() < bare:
            labels[BARE][nucleus] = number
        else:
            image[..., 0][cell] = rng.uniform(0.5, 1)
            labels[CELL][cell], labels[INSIDE][nucleus] = number, number
    blurred = cv2.GaussianBlur(image, (0, 0), 1)
    return (blurred + rng.normal(0, 0.12, image.shape)).astype(np.float32), labels


def draw_strokes(labels: Array, chosen: Array, box: int) -> tuple[Array, Array]:
    """Draw in some objects and around them as a person might.

    Args:
        labels: (H, W), int. All objects.
        chosen: Ids of those that are scribbled.
        box: Side of the square about each, in which its background is scribbled; px.

    Returns:
        Strokes in the objects, their midlines and a ring 3 px inside; and strokes midway through
        the background. Each (H, W), bool.
    """
    objects, picked = labels > 0, np.isin(labels, chosen)
    inside = cv2.distanceTransform(objects.astype(np.uint8), cv2.DIST_L2, 5)
    foreground = picked & (_midline(objects) | ((inside > 3) & (inside <= 4)))
    around = cv2.distanceTransform((~picked).astype(np.uint8), cv2.DIST_L2, 5) <= 4
    for one in chosen:
        y, x = (round(float(c.mean())) for c in np.nonzero(labels == one))
        around[max(y - box // 2, 0) : y + box // 2, max(x - box // 2, 0) : x + box // 2] = True
    return foreground, _midline(around & ~objects)


def _midline(region: Array) -> Array:
    return np.asarray(skeletonize(region))  # type: ignore[no-untyped-call]


class SyntheticScribbles(Dataset[Record]):
    """Images of `draw_cells`, some cells of each with scribbles.

    Args:
        length: Number of images.
        split: Enters the seed: three lists that share no image.
        size: Side of an image, px.
        seed: Another seed is another list.
        tasks: What is told apart: classes ``cell``, ``inside``, ``bare`` by task.
        objects: The task whose instances are given.
        budget: Cells with scribbles, of each class in each image.
        box: As in `draw_strokes`.
        cells: As in `draw_cells`.
        bare: As in `draw_cells`; a class ``bare`` needs some.

    Raises:
        ValueError: If an argument is out of its range, or there is no such class or task.

    Example:
        >>> record = SyntheticScribbles(length=1, size=64, tasks={"cells": ["cell"]})[0]
        >>> record["image"].shape, record["scribbles"].shape
        ((64, 64, 2), (64, 64, 2))
    """

    provides: ClassVar[frozenset[str]] = frozenset(
        {"image", "scribbles", "instances", "semantic", "place"}
    )

    def __init__(
        self,
        length: int,
        split: Split = "train",
        size: int = 192,
        seed: int = 0,
        tasks: Mapping[str, Sequence[str]] | None = None,
        objects: str | None = None,
        budget: int = 6,
        box: int = 24,
        cells: int = 45,
        bare: float = 0.0,
    ) -> None:
        check_names([split], SPLITS, "split")
        self.tasks = {"cells": [CELL]} if tasks is None else tasks
        self.planes = planes_of(self.tasks)
        check_names([p.name for p in self.planes if p.name != BACKGROUND], KINDS, "class")
        self.objects = next(iter(self.tasks)) if objects is None else objects
        check_names([self.objects], list(self.tasks), "task")
        if length < 0 or size < 32 or budget < 0 or box < 1 or not 0 <= bare <= 1:
            raise ValueError(
                f"length {length} and budget {budget} must not be negative, size {size} at least "
                f"32 px, box {box} at least 1 px, bare {bare} within 0 to 1"
            )
        self.length, self.split, self.size, self.seed = length, split, size, seed
        self.budget, self.box, self.cells, self.bare = budget, box, cells, bare
        self._drawn: dict[int, Record] = {}

    def __len__(self) -> int:
        """Number of images."""
        return self.length

    def __getitem__(self, index: int) -> Record:
        """Draw image ``index``, once; negative indices count from the end."""
        if not -self.length <= index < self.length:
            raise IndexError(f"index {index} is outside a data set of {self.length} images")
        index %= self.length
        if index not in self._drawn:
            self._drawn[index] = self._draw(index)
        return self._drawn[index]

    def _draw(self, index: int) -> Record:
        seed = (self.seed, SPLITS.index(self.split), index)
        image, labels = draw_cells(self.size, seed, cells=self.cells, bare=self.bare)
        rng = np.random.default_rng([*seed, 1])
        scribbles = [self._scribbled(names, labels, rng) for names in self.tasks.values()]
        instances, semantic = np.zeros((2, self.size, self.size), np.int32)
        for number, name in enumerate(self.tasks[self.objects], start=1):
            instances = np.maximum(instances, labels[name])
            semantic[labels[name] > 0] = number
        return Record(
            image=image,
            scribbles=np.concatenate(scribbles, axis=-1),
            instances=instances,
            semantic=semantic.astype(np.uint8),
            place=Place("synthetic-scribbles-" + "-".join(map(str, seed)), 0, 0, 0.5),
        )

    def _scribbled(
        self, names: Sequence[str], labels: Mapping[str, Array], rng: np.random.Generator
    ) -> Array:
        """The planes of one task: its classes, and the background of all of them."""
        drawn = []
        for name in names:
            ids = np.unique(labels[name])[1:]
            chosen = rng.choice(ids, min(self.budget, len(ids)), replace=False)
            drawn.append(draw_strokes(labels[name], chosen, self.box))
        objects = np.any([labels[name] > 0 for name in names], axis=0)
        background = np.any([around for _, around in drawn], axis=0) & ~objects
        return np.stack([*(inside for inside, _ in drawn), background], axis=-1)
