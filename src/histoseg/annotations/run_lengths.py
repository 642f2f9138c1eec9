"""COCO's run-length encoding, column by column, without room for the mask."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array

LOW, MORE, SIGN = 0x1F, 0x20, 0x10  # of each character less 48: 5 bits, whether more follow, sign


def decode_counts(text: str | bytes) -> Array:
    """Unpack the compressed string of run lengths.

    Args:
        text: Each number in groups of 5 bits, the lowest first; from the fourth number on the
            difference to the number two places before.

    Returns:
        (N,), int64: lengths of background, object, background ... runs.

    Raises:
        ValueError: If it is not such a string.

    Example:
        >>> decode_counts(encode_counts([6, 1, 40, 4, 5])).tolist()
        [6, 1, 40, 4, 5]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text.encode("ascii") if isinstance(text, str) else text:
        bits = character - 48
        if not 0 <= bits < 64 or shift > 50:
            raise ValueError("its run lengths are damaged")
        value |= (bits & LOW) << shift
        shift += 5
        if not bits & MORE:
            if bits & SIGN:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("its run lengths are cut short")
    return np.array(counts, dtype=np.int64)


def encode_counts(counts: list[int]) -> str:
    """Pack run lengths as `decode_counts` unpacks them."""
    text = bytearray()
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            bits = value & LOW
            value >>= 5
            done = value == (-1 if bits & SIGN else 0)
            text.append(48 + (bits if done else bits | MORE))
            if done:
                break
    return text.decode("ascii")


def column_boxes(counts: Array, size: tuple[int, int]) -> Array:
    """Boxes one pixel wide, each a run of an object within one column.

    Args:
        counts: (N,) lengths of background, object, background ... runs, down the columns.
        size: (height, width).

    Returns:
        (M, 3), int64: column, first row, row after the last.

    Raises:
        ValueError: If the lengths do not add up to the size.
    """
    if (counts < 0).any() or int(counts.sum()) != size[0] * size[1]:
        raise ValueError(f"its runs cover {counts.sum()} pixels of {size[0] * size[1]}")
    ends = np.cumsum(counts)[1::2]
    starts = ends - counts[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    first = starts // size[0]
    columns = (ends - 1) // size[0] - first + 1
    run = np.repeat(np.arange(len(starts)), columns)
    column = np.arange(len(run)) - np.repeat(np.cumsum(columns) - columns - first, columns)
    top = np.maximum(starts[run] - column * size[0], 0)
    bottom = np.minimum(ends[run] - column * size[0], size[0])
    return np.stack([column, top, bottom], axis=1)
