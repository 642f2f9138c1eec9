from __future__ import annotations

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError


def merge_class_masks(masks: Array, name: str) -> tuple[Array, Array]:
    """Merge one map of ids per class into one map of instances and one of classes.

    Channels are taken in order: each is relabelled from 1 upwards, shifted past the ids before it,
    and painted over them, so where classes overlap the later one wins. An object that is painted
    over altogether leaves a gap in the ids.

    Args:
        masks: (H, W, K), any numbers: ids of the objects of class 1..K, 0 for none.
        name: Of the image, for messages.

    Returns:
        Instances (H, W) int32 and semantic (H, W) uint8 in 0..K.

    Raises:
        UnreadableFileError: If an id is negative, a fraction, infinite or not a number.

    Source:
        Gamper et al. 2020, PanNuke Dataset Extension: the metric's own ``binarize``.

    Example:
        >>> instances, semantic = merge_class_masks(np.array([[[9, 0], [9, 4], [0, 0]]]), "a")
        >>> instances.tolist(), semantic.tolist()
        ([[1, 2, 0]], [[1, 2, 0]])
    """
    height, width, classes = masks.shape
    size = height * width
    instances, semantic = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.uint8)
    offset = 0
    for channel in range(classes):
        values = np.ascontiguousarray(masks[:, :, channel]).ravel()  # quicker than strided reads
        pixels = np.flatnonzero(values != 0)
        if not len(pixels):
            continue
        found = values[pixels]
        ids = np.unique(found)
        if not (ids[0] > 0 and ids[-1] < np.inf and np.array_equal(ids, np.floor(ids))):
            raise UnreadableFileError(
                f"{name}: mask channel {channel} holds {ids[0]}..{ids[-1]} or fractions; "
                "expected whole ids of 0 or more"
            )
        instances[pixels] = offset + 1 + np.searchsorted(ids, found)
        semantic[pixels] = channel + 1
        offset += len(ids)
    return instances.reshape(height, width), semantic.reshape(height, width)


def image_bytes(values: Array, name: str) -> Array:
    """Give an image that is stored in wide numbers as bytes.

    Args:
        values: Any shape and type, 0..255; fractions are cut off.
        name: Of the image, for messages.

    Returns:
        The same shape, uint8.

    Raises:
        UnreadableFileError: If a value is outside 0..255, or the image seems to be in 0..1.
    """
    low, high = values.min(), values.max()
    unit = values.dtype.kind == "f" and 0 < high <= 1
    if not (low >= 0 and high <= 255) or unit:
        raise UnreadableFileError(
            f"{name}: image values are {low}..{high} ({values.dtype}); expected 0..255"
        )
    return values.astype(np.uint8)
