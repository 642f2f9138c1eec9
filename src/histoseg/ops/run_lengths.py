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


def column_counts(mask: Array, corner_xy: tuple[int, int], size: tuple[int, int]) -> list[int]:
    """Run lengths of an object within an image, the inverse of `column_boxes`.

    Args:
        mask: (h, w), bool: the object in its box.
        corner_xy: Upper left corner of the box in the image.
        size: (height, width) of the image.

    Returns:
        Lengths of background, object, background ... runs, down the columns of the whole image.

    Example:
        >>> column_counts(np.array([[True, True]]), (1, 0), (2, 4))
        [2, 1, 1, 1, 3]
    """
    columns = np.pad(mask.T.astype(np.int8), ((0, 0), (1, 1)))
    turn = np.diff(columns, axis=1)
    offset = (corner_xy[0] + np.arange(mask.shape[1])) * size[0] + corner_xy[1]
    column, first = np.nonzero(turn == 1)
    start = offset[column] + first
    column, last = np.nonzero(turn == -1)
    end = offset[column] + last
    apart = start[1:] != end[:-1]  # a run to the foot of a column goes on at the head of the next
    start, end = start[np.append(True, apart)], end[np.append(apart, True)]
    turns = np.stack([start, end], axis=1).ravel()
    counts = np.diff(turns, prepend=0).tolist()
    rest = size[0] * size[1] - int(turns[-1])
    return [*counts, rest] if rest else counts
