"""The original's patch extraction as the specification says it, window after window."""

import numpy as np


def plainly(array: np.ndarray, window: int, step: int, border: str) -> list[np.ndarray]:
    if border == "mirror":
        before = (window - step) // 2
        after = window - step - before
        rest = ((0, 0),) * (array.ndim - 2)
        array = np.pad(array, ((before, after), (before, after), *rest), mode="reflect")
    height, width = array.shape[:2]
    rows, columns = regular(height, window, step), regular(width, window, step)
    below, beside = (height - window) % step != 0, (width - window) % step != 0
    places = [(row, column) for row in rows for column in columns]
    if below:
        places += [(height - window, column) for column in columns]
    if beside:
        places += [(row, width - window) for row in rows]
    if below and beside:
        places.append((height - window, width - window))
    return [array[y : y + window, x : x + window] for y, x in places]


def regular(length: int, window: int, step: int) -> list[int]:
    starts, start = [], 0
    while start + window <= length:
        starts.append(start)
        start += step
    return starts
