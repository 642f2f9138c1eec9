"""Probabilities of classes -> objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.measure import label
from skimage.segmentation import expand_labels, watershed

from histoseg.contracts import Array, Instances
from histoseg.ops.instances import instances_from_labels

UNTUNED = 0.5
_CHOICES = {"split": ("components", "watershed"), "growth": ("expand", "square")}


@dataclass(frozen=True)
class ProbabilityObjects:
    """Cut probabilities at a threshold; what hangs together is an object.

    Attributes:
        task: Name of the map (C, H, W) with the probability of each class.
        threshold: A pixel is of a class above this probability; one number, or one a class. Where
            several classes pass, the likelier has the pixel. None: the model tunes it.
        split: ``components`` are 4-connected; ``watershed`` cuts them where they are narrow.
        distance: Least distance of two peaks of the watershed, px.
        fill: Whether holes are filled.
        min_size: Smaller objects are dropped; px, before they grow.
        grow: By how much objects grow, px; strokes make networks careful at borders.
        growth: ``expand``: a pixel goes to the nearest object; ``square``: as the original, by
            3 x 3 px at a time, the higher number over the lower.

    Raises:
        ValueError: If a setting is out of its range.

    Source:
        nadeemlab/ImPartial, ``components`` and ``square`` of 2024: 0.8, objects of up to 5 px
        dropped, and 2 px there.
    """

    task: str
    threshold: float | Sequence[float] | None = None
    split: Literal["components", "watershed"] = "components"
    distance: int = 6
    fill: bool = False
    min_size: int = 6
    grow: int = 2
    growth: Literal["expand", "square"] = "expand"

    def __post_init__(self) -> None:
        """Refuse settings that are not there."""
        for name, values in _CHOICES.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected {', '.join(values)}")
        if min(self.distance - 1, self.min_size, self.grow) < 0 or not all(
            0 <= t <= 1 for t in self._thresholds(1)
        ):
            raise ValueError(
                f"threshold {self.threshold}: expected 0 to 1; distance {self.distance}: 1 px or "
                f"more; min_size {self.min_size} and grow {self.grow}: 0 px or more"
            )

    def __call__(self, maps: Mapping[str, Array]) -> Instances:
        """Find the objects of one region.

        Args:
            maps: ``task`` (C, H, W), float32 in [0, 1].

        Returns:
            The objects; their class is 0 where there is one class only. The score is the mean
            probability of any class, or with several the share of pixels of the class.

        Raises:
            ValueError: If the map is missing, misshapen or not finite.
        """
        probability = self._checked(maps)
        kinds, labels = self.label(probability)
        if len(probability) == 1:
            return instances_from_labels(labels, foreground=probability[0].clip(0, 1))
        return instances_from_labels(labels, kinds)

    def label(self, probability: Array) -> tuple[Array, Array]:
        """Classes (H, W) in 0..C, and the label map (H, W), int32, of (C, H, W)."""
        limits = np.array(self._thresholds(len(probability)), np.float64)[:, None, None]
        passed = np.where(probability > limits, probability, 0)
        kinds = np.where(passed.any(axis=0), passed.argmax(axis=0) + 1, 0).astype(np.int32)
        if self.fill:
            kinds = _filled(kinds)
        labels = _label(kinds)
        if self.split == "watershed":
            labels = self._cut(labels)
        labels = self._grown(_large(labels, self.min_size))
        # what objects gained is of their class
        gained = (kinds == 0) & (labels > 0)
        owner = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
        owner[labels[kinds > 0]] = kinds[kinds > 0]
        return np.where(gained, owner[labels], kinds), labels

    def _cut(self, labels: Array) -> Array:
        depth = cv2.distanceTransform((labels > 0).astype(np.uint8), cv2.DIST_L2, 5)
        peaks = peak_local_max(depth, min_distance=self.distance, labels=labels)  # type: ignore[no-untyped-call]
        seeds = np.zeros(labels.shape, np.int32)
        seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        return np.asarray(watershed(-depth, seeds, mask=labels > 0), np.int32)  # type: ignore[no-untyped-call]

    def _grown(self, labels: Array) -> Array:
        if self.growth == "expand":
            return np.asarray(expand_labels(labels, self.grow), np.int32)  # type: ignore[no-untyped-call]
        square = np.ones((3, 3), np.uint8)
        numbers = labels.astype(np.float64)  # exact, and OpenCV dilates it
        return cv2.dilate(numbers, square, iterations=self.grow).astype(np.int32)

    def _thresholds(self, classes: int) -> tuple[float, ...]:
        if self.threshold is None:
            return (UNTUNED,) * classes
        if isinstance(self.threshold, int | float):
            return (float(self.threshold),) * classes
        return tuple(self.threshold)

    def _checked(self, maps: Mapping[str, Array]) -> Array:
        if self.task not in maps:
            raise ValueError(f"there is no map {self.task!r} among {sorted(maps)}")
        probability = maps[self.task]
        count = len(self._thresholds(len(probability)))
        if probability.ndim != 3 or count != len(probability):
            raise ValueError(
                f"map {self.task!r} is {probability.shape}: expected (C, H, W) and a threshold "
                f"for each class, of which there are {count}"
            )
        if not np.isfinite(probability).all():
            raise ValueError(f"map {self.task!r} holds values that are not numbers")
        return probability


def _label(kinds: Array) -> Array:
    return np.asarray(label(kinds, background=0, connectivity=1), np.int32)  # type: ignore[no-untyped-call]


def _filled(kinds: Array) -> Array:
    filled = kinds.copy()
    for kind in np.unique(kinds[kinds > 0]):
        inside = ndimage.binary_fill_holes(kinds == kind)
        filled[inside & (kinds == 0)] = kind
    return filled


def _large(labels: Array, least: int) -> Array:
    """Objects of at least so many pixels, numbered anew in their order."""
    keep = np.bincount(labels.ravel()) >= max(least, 1)
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return numbers[labels]
