"""DeepLIIF's cell records of versions 4 and 6: a cell as a short text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array

FIRST, BASE = 35, 92  # characters are chr(35 + digit), digits 0..91
LONGEST = 4  # digits of a number, as many as two bits of the first character can say
RUN = 10  # steps of one character
STEP_XY = np.array(
    [[1, 0], [1, -1], [0, -1], [-1, -1], [-1, 0], [-1, 1], [0, 1], [1, 1]], dtype=np.int64
)
"""East, north-east, north, ... south-east, with y downwards."""
DIRECTION = np.array([[3, 2, 1], [4, -1, 0], [5, 6, 7]])  # by (dy + 1, dx + 1)
WORDS = 11  # numbers before the outline: lengths, size, class, anchor (2), six offsets


class CellColumns(NamedTuple):
    """Cells as the records hold them, column by column: whole pixels.

    Attributes:
        size: (N,), int64. Pixels.
        positive: (N,), bool.
        value: (N,), int64. Marker, or 100 times optical density.
        corners: (N, 4), int64. Left, top, right, bottom; all inclusive.
        centre: (N, 2), int64.
        points_xy: (M, 2), int64. Outlines clockwise from the first pixel in raster order, only
            the points where they turn, not closed, one after the other.
        offsets: (N + 1,), int64. Outline i is ``points_xy[offsets[i]:offsets[i + 1]]``.
    """

    size: Array
    positive: Array
    value: Array
    corners: Array
    centre: Array
    points_xy: Array
    offsets: Array


def turned(points: Array, offsets: Array) -> Array:
    """Walk round outlines (M, 2) in the other sense, from the same first points."""
    lengths = np.diff(offsets)
    place = np.arange(len(points)) - np.repeat(offsets[:-1], lengths)
    back = (np.repeat(lengths, lengths) - place) % np.repeat(np.maximum(lengths, 1), lengths)
    return np.asarray(points[back + np.repeat(offsets[:-1], lengths)])


def encode(cells: CellColumns) -> list[str]:
    """Write each cell as text.

    Args:
        cells: With outlines that step to one of eight neighbours at a time.

    Returns:
        N texts of ASCII.

    Raises:
        ValueError: If a number is too large for the format, or an outline is of another kind.
    """
    if not len(cells.size):
        return []
    words, digits = _words(cells)
    head = _digits(words.ravel(), digits.ravel())
    owner, runs = _runs(cells)
    lengths = digits.sum(axis=1)
    tails = np.bincount(owner, minlength=len(lengths))
    ends = np.cumsum(lengths + tails)
    starts = ends - lengths - tails
    text = np.empty(ends[-1], dtype=np.uint8)
    text[_within(starts, lengths)] = head
    text[_within(starts + lengths, tails)] = runs
    whole = (text + FIRST).tobytes().decode("ascii")
    return [whole[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def decode(texts: Sequence[str]) -> CellColumns:
    """Read cells that `encode` wrote.

    Raises:
        ValueError: If a text is cut short or holds other characters; says which.
    """
    try:
        flat = np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8).astype(np.int64)
    except UnicodeEncodeError as error:
        raise ValueError("a record holds other characters than ASCII") from error
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    values = flat - FIRST
    if ((values < 0) | (values >= BASE)).any() or not lengths.all():
        raise ValueError("a record is empty or holds characters that are no digits of base 92")
    starts = np.cumsum(lengths) - lengths
    code = values[starts] if len(starts) else np.zeros(0, np.int64)
    digits = _lengths(code)
    heads = digits.sum(axis=1)
    if (heads > lengths).any():
        raise ValueError(f"record {int((heads > lengths).argmax())} is cut short")
    words = _numbers(values, starts, digits)
    tail = lengths - heads
    owner = np.repeat(np.arange(len(texts)), tail)
    return _columns(words, owner, values[_within(starts + heads, tail)])


def _words(cells: CellColumns) -> tuple[Array, Array]:
    """Numbers (N, WORDS) before the outlines, and how many digits each has."""
    anchor = cells.corners[:, :2]
    begin = cells.points_xy[cells.offsets[:-1]]
    offsets = np.concatenate([cells.corners[:, 2:], cells.centre, begin], axis=1)
    offsets = offsets - np.tile(anchor, 3)
    called = 2 * cells.value + cells.positive
    need = np.stack([cells.size, anchor.max(axis=1), offsets.max(axis=1)], axis=1)
    lowest = min(int(v.min()) for v in (anchor, offsets, called, cells.size))
    if lowest < 0 or int(need.max()) >= BASE**LONGEST or int(called.max()) >= BASE**2:
        raise ValueError(
            "a cell has a negative number, or one that is too large for records of version 4 or 6:"
            " write version 3 or 5"
        )
    each = 1 + sum((need >= BASE**power).astype(np.int64) for power in range(1, LONGEST))
    code = ((each - 1) * (16, 4, 1)).sum(axis=1)
    words = np.concatenate(
        [code[:, None], cells.size[:, None], called[:, None], anchor, offsets], axis=1
    )
    return words, _lengths(code)


def _lengths(code: Array) -> Array:
    """Digits (N, WORDS) of each number before the outline, by the first of them."""
    size, anchor, offset = code // 16 % 4 + 1, code // 4 % 4 + 1, code % 4 + 1
    one = np.ones_like(code)
    return np.stack([one, size, 2 * one, anchor, anchor, *[offset] * 6], axis=1)


def _digits(words: Array, digits: Array) -> Array:
    """All digits of numbers, the highest first, one number after the other."""
    power = np.repeat(np.cumsum(digits), digits) - np.arange(int(digits.sum())) - 1
    return np.asarray(np.repeat(words, digits) // BASE**power % BASE)


def _numbers(values: Array, starts: Array, digits: Array) -> Array:
    """Put digits together: (N, WORDS)."""
    begins = starts[:, None] + np.cumsum(digits, axis=1) - digits
    words = np.zeros(digits.shape, dtype=np.int64)
    for place in range(LONGEST):
        there = digits > place
        words[there] = words[there] * BASE + values[(begins + place)[there]]
    return words


def _runs(cells: CellColumns) -> tuple[Array, Array]:
    """Cell and value of each character of the outlines."""
    owner = np.repeat(np.arange(len(cells.size)), np.diff(cells.offsets))
    step = np.diff(cells.points_xy, axis=0)[owner[1:] == owner[:-1]]
    owner = owner[1:][owner[1:] == owner[:-1]]
    distance = np.abs(step).max(axis=1)
    if (np.abs(step).min(axis=1) % np.maximum(distance, 1)).any() or not distance.all():
        raise ValueError("an outline has slanted or empty steps; expected eight directions")
    across, down = np.sign(step).T
    number = -(-distance // RUN)
    left = np.repeat(distance, number) - RUN * _within(np.zeros_like(number), number)
    values = 8 * np.minimum(left, RUN) + np.repeat(DIRECTION[down + 1, across + 1], number)
    return np.repeat(owner, number), values


def _columns(words: Array, owner: Array, runs: Array) -> CellColumns:
    count = len(words)
    distance, direction = np.divmod(runs, 8)
    if not distance.all():
        raise ValueError(f"record {int(owner[distance.argmin()])} has a step of no length")
    same = (owner[1:] == owner[:-1]) & (direction[1:] == direction[:-1])
    last = np.append(~same, True)[: len(owner)]  # of pieces of one straight run
    anchor = words[:, 3:5]
    corners, centre, begin = (words[:, i : i + 2] + anchor for i in (5, 7, 9))
    steps = np.bincount(owner, minlength=count)
    moves = np.insert(distance[:, None] * STEP_XY[direction], np.cumsum(steps) - steps, 0, axis=0)
    lengths = steps + 1
    starts = np.cumsum(lengths) - lengths
    moves[starts] = begin - np.concatenate([np.zeros((1, 2), np.int64), begin[:-1]])
    walked = np.cumsum(_from_begin(moves, starts, lengths), axis=0)
    kept = np.insert(last, np.cumsum(steps) - steps, True)
    number = np.add.reduceat(kept, starts) if count else np.zeros(0, np.int64)
    return CellColumns(
        size=words[:, 1],
        positive=words[:, 2] % 2 == 1,
        value=words[:, 2] // 2,
        corners=np.concatenate([anchor, corners], axis=1),
        centre=centre,
        points_xy=walked[kept],
        offsets=np.concatenate([[0], np.cumsum(number)]),
    )


def _from_begin(moves: Array, starts: Array, lengths: Array) -> Array:
    """Let the first move of each outline also undo the walk of the one before."""
    if len(starts) > 1:
        walked = np.add.reduceat(moves, starts)[:-1] - moves[starts[:-1]]
        moves[starts[1:]] -= walked
    return moves


def _within(starts: Array, lengths: Array) -> Array:
    """Places ``starts[i], starts[i] + 1, ...``, ``lengths[i]`` of each."""
    ends = np.cumsum(lengths)
    number = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(number) + np.repeat(starts - (ends - lengths), lengths))
