"""Classes of pixels to objects: what is connected and of one class is one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import binary_fill_holes
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from histoseg.contracts import Array, Instances
from histoseg.ops.instances import instances_from_labels


@dataclass(frozen=True)
class ClassRegions:
    """Find the connected regions of each class.

    A pixel has the class of its largest probability. Objects that touch and are of one class are
    one object, unless ``split`` parts them at their waists.

    Attributes:
        map: Name of the map (1 + K, H, W) of class probabilities, background first.
        classes: Names of classes 1..K; empty for cells without classes.
        min_size: Smaller regions are dropped, px.
        fill_holes: Whether background enclosed by an object belongs to it.
        split: Least depth, px, of the waist at which a region is parted: the distance to the
            background along it has to fall by so much between two of its peaks. None parts nothing.
    """

    map: str = "classes"
    classes: Sequence[str] = ()
    min_size: int = 10
    fill_holes: bool = True
    split: float | None = None

    def __call__(self, maps: Mapping[str, Array]) -> Instances:
        """Find the objects of a region.

        Args:
            maps: Holds ``map``, (1 + K, H, W), float32.

        Returns:
            Ids in the order of classes; the score is the mean probability of the class.
        """
        probability = maps[self.map]
        kind = probability.argmax(axis=0)
        labels, sure = np.zeros(kind.shape, np.int32), np.zeros(kind.shape, np.float32)
        class_of = [0]
        for k in range(1, len(probability)):
            regions = self._regions(kind == k, kind)
            count = int(regions.max(initial=0))
            inside = regions > 0
            labels[inside] = regions[inside] + len(class_of) - 1
            sure[inside] = probability[k][inside]
            class_of += [k] * count
        found = instances_from_labels(labels, foreground=sure)
        if not self.classes:
            return found
        return replace(found, semantic=np.array(class_of, np.int32)[found.ids])

    def _regions(self, inside: Array, kind: Array) -> Array:
        """Number the regions of a class from 1."""
        if self.fill_holes:
            inside |= binary_fill_holes(inside) & (kind == 0)
        if self.split is None:
            parts = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)[1]
        else:
            parts = _parted(inside, self.split)
        kept = np.bincount(parts.ravel()) >= self.min_size
        kept[0] = False
        return np.asarray(np.where(kept, np.cumsum(kept), 0)[parts])


def _parted(inside: Array, depth: float) -> Array:
    """Number the parts of regions, cut at waists of some depth."""
    distance = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    peaks = h_maxima(distance, depth)  # type: ignore[no-untyped-call]
    markers = cv2.connectedComponents(peaks.astype(np.uint8))[1]
    parts: Array = watershed(-distance, markers, mask=inside)  # type: ignore[no-untyped-call]
    return parts
