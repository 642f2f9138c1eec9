"""Connected parts of label maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label


def split_components(labels: NDArray[Any]) -> NDArray[Any]:
    """Give every 4-connected part of a label map its own id.

    Mirroring, cutting and pasting leave objects in several parts under one id. The part whose
    first pixel comes first in reading order keeps the id; the others get ids above the largest.

    Args:
        labels: Label map (H, W), any integer type, 0 is background.

    Returns:
        A new map (H, W) of the same type.

    Raises:
        ValueError: If ``labels`` is not an integer map (H, W), or its type has too few ids left.

    Example:
        >>> split_components(np.array([[5, 0, 5], [0, 2, 5]]))
        array([[5, 0, 6],
               [0, 2, 6]])
    """
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"expected an integer label map (H, W), got {labels.dtype} of shape {labels.shape}"
        )
    parts, count = label(  # type: ignore[no-untyped-call]
        labels, background=0, return_num=True, connectivity=1
    )
    ids: NDArray[Any] = np.zeros(count + 1, dtype=labels.dtype)
    ids[parts] = labels
    _, firsts = np.unique(ids, return_index=True)
    others = np.setdiff1d(np.arange(count + 1), firsts)
    top = int(ids.max())
    if top + len(others) > np.iinfo(labels.dtype).max:
        raise ValueError(
            f"{labels.dtype} has no room for {len(others)} ids above {top}; use a wider type"
        )
    by_id = others[np.argsort(ids[others], kind="stable")]
    ids[by_id] = top + 1 + np.arange(len(others))
    split: NDArray[Any] = ids[parts]
    return split
