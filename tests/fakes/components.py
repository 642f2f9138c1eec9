"""Post-processing for fake models."""

from collections.abc import Mapping

from scipy import ndimage

from histoseg.contracts import Array, Instances
from histoseg.ops.instances import instances_from_labels


def components(maps: Mapping[str, Array]) -> Instances:
    labels, _ = ndimage.label(maps["np"][0] > 0.5)
    return instances_from_labels(labels, foreground=maps["np"][0])
