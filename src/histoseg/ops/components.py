from __future__ import annotations

import numpy as np
from skimage.measure import label

from histoseg.contracts import Array


def split_components(labels: Array) -> Array:
    """Give every connected part of an instance map its own id.

    The part of an id that comes first in reading order keeps the id; every other part gets a
    new id above the maximum, in reading order.

    Args:
        labels: Instance map (H, W), any integer type. 0 is background.

    Returns:
        Instance map (H, W), int32, in which each id is one 4-connected component. Where there is
        no room above the maximum, all ids are numbered anew from 1.

    Raises:
        ValueError: If ``labels`` is not (H, W).

    Source:
        The rule of HoVer-Net's ``fix_mirror_padding``, which numbers the new parts id by id.

    Example:
        >>> split_components(np.array([[7, 7, 0, 7], [0, 0, 0, 3]])).tolist()
        [[7, 7, 0, 8], [0, 0, 0, 3]]
    """
    if labels.ndim != 2:
        raise ValueError(f"expected an instance map (H, W), got shape {labels.shape}")
    components: Array = label(labels, background=0, connectivity=1)  # type: ignore[no-untyped-call]
    count = int(components.max(initial=0))
    if not count:
        return np.zeros(labels.shape, dtype=np.int32)
    flat = components.ravel()
    begins = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)  # of runs of one value
    first = np.zeros(count + 1, dtype=np.int64)
    # Assigned backwards, so that the first pixel in reading order is what stays.
    first[flat[begins[::-1]]] = begins[::-1]
    first = first[1:]
    order = np.argsort(first)
    ids = labels.ravel()[first[order]].astype(np.int64)
    repeated = np.ones(count, dtype=bool)
    repeated[np.unique(ids, return_index=True)[1]] = False
    if int(ids.max()) + int(repeated.sum()) > np.iinfo(np.int32).max:  # no room above: number anew
        ids = np.unique(ids, return_inverse=True)[1] + 1
    ids[repeated] = int(ids.max()) + 1 + np.arange(int(repeated.sum()))
    table = np.zeros(count + 1, dtype=np.int32)
    table[order + 1] = ids
    parts: Array = table.take(components)
    return parts
