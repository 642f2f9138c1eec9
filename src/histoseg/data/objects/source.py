from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from histoseg.annotations import Dropped
from histoseg.contracts import Array


@dataclass(frozen=True)
class Labelled:
    """The objects of one image, and what else its source knows.

    Attributes:
        instances: (H, W), integers. 0 is background.
        semantic: (H, W), integers 0..K; None where there are no classes.
        planes: (K, H, W), ids of each class by itself, where some of them overlap; else None.
        ignore: (H, W), bool: what is not to be scored; None where everything is.
        image: (H, W, 3), uint8, where the source has it.
        tissue: "" where unknown.
        group: Patient or slide; "" where unknown.
        mpp: Micrometres per pixel; NaN where unknown.
        dropped: What the file holds besides, and why it is not here.
    """

    instances: Array
    semantic: Array | None = None
    planes: Array | None = None
    ignore: Array | None = None
    image: Array | None = None
    tissue: str = ""
    group: str = ""
    mpp: float = float("nan")
    dropped: tuple[Dropped, ...] = ()


class ObjectSource(ABC):
    """The predictions, or the truths, of a set of images.

    Attributes:
        where: What the user called it, for messages.
        names: Of the images, by which truths and predictions are paired; None where only the
            position says which image is meant.
        classes: Names of classes 1..K, where the source says them.
    """

    where: str
    names: tuple[str, ...] | None
    classes: tuple[str, ...] | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def read(
        self, index: int, size: tuple[int, int] | None, classes: Sequence[str] | None
    ) -> Labelled:
        """Read an image's objects.

        Args:
            index: 0..len - 1.
            size: (height, width) that it must have, where that is known.
            classes: Names of classes 1..K, to number the labels of a drawing.

        Raises:
            UnreadableFileError: If it cannot be read, or has another size.
        """

    def is_drawn(self, index: int) -> bool:
        """Whether an image's objects are outlines, which fit any size that holds them."""
        return False


def mapped(found: Labelled, class_map: Mapping[int, int]) -> Labelled:
    """Merge or renumber classes.

    Args:
        found: Objects with classes, or without.
        class_map: Class stored -> class wanted; others keep their number.

    Returns:
        The same objects.
    """
    if found.semantic is None or not class_map:
        return found
    highest = max(int(found.semantic.max(initial=0)), *class_map)
    table = np.arange(highest + 1)
    table[list(class_map)] = list(class_map.values())
    return replace(found, semantic=table[found.semantic], planes=None)
