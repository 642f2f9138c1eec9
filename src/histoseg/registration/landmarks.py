"""Points that someone marked in both pictures."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

COLUMNS = ("fixed_x", "fixed_y", "moving_x", "moving_y")
FEWEST = 3


@dataclass(frozen=True)
class Landmarks:
    """Points in pixels of the full pictures, (x, y), pixel centres on integers.

    Attributes:
        fixed: (N, 2), float64.
        moving: (N, 2), float64, row by row the same places.
    """

    fixed: Array
    moving: Array


def read_landmarks(path: Path) -> Landmarks:
    """Read a csv with the columns ``fixed_x``, ``fixed_y``, ``moving_x``, ``moving_y``.

    Raises:
        UnreadableFileError: If it is missing, lacks a column, holds what is no number, or has
            fewer than three points or all of them on one line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"{path} cannot be read: {error}") from error
    missing = [name for name in COLUMNS if rows and name not in rows[0]]
    if missing:
        raise UnreadableFileError(
            f"{path} has the columns {', '.join(map(str, rows[0]))}, expected {', '.join(COLUMNS)}"
        )
    if len(rows) < FEWEST:
        raise UnreadableFileError(f"{path} has {len(rows)} points, expected {FEWEST} or more")
    points = np.array([_numbers(row, path, i + 2) for i, row in enumerate(rows)])
    found = Landmarks(points[:, :2], points[:, 2:])
    for which, own in (("fixed", found.fixed), ("moving", found.moving)):
        spread = np.linalg.svd(own - own.mean(axis=0), compute_uv=False)
        if spread[1] < 1e-3 * max(spread[0], 1.0):
            raise UnreadableFileError(
                f"{path}: the points of the {which} picture lie on one line, mark some beside it"
            )
    return found


def fit_affine(fixed: Array, moving: Array) -> Array:
    """The affine transform (3, 3) from fixed to moving with the least squared distances.

    Args:
        fixed: (N, 2), three points or more, not on one line.
        moving: (N, 2).

    Example:
        >>> fit_affine(np.array([[0, 0], [1, 0], [0, 1.0]]), np.array([[2, 3], [4, 3], [2, 4.0]]))
        array([[2., 0., 2.],
               [0., 1., 3.],
               [0., 0., 1.]])
    """
    mean_f, mean_m = fixed.mean(axis=0), moving.mean(axis=0)
    linear = np.linalg.lstsq(fixed - mean_f, moving - mean_m, rcond=None)[0].T
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear, mean_m - linear @ mean_f
    return np.asarray(matrix.round(12) + 0.0)


def left_out_errors(marks: Landmarks) -> Array:
    """How far each point lies from where an affine of all others brings it: (N,), px of moving.

    NaN where the others are fewer than three or lie on one line.
    """
    errors = np.full(len(marks.fixed), np.nan)
    for i in range(len(errors)):
        fixed, moving = (np.delete(points, i, axis=0) for points in (marks.fixed, marks.moving))
        if np.linalg.matrix_rank(fixed - fixed.mean(axis=0), tol=1e-3) == 2:
            matrix = fit_affine(fixed, moving)
            at = matrix[:2, :2] @ marks.fixed[i] + matrix[:2, 2]
            errors[i] = np.linalg.norm(at - marks.moving[i])
    return errors


def _numbers(row: dict[str, str], path: Path, line: int) -> list[float]:
    try:
        values = [float(row[name]) for name in COLUMNS]
    except (TypeError, ValueError) as error:
        raise UnreadableFileError(f"{path}, line {line}: {error}; expected four numbers") from error
    if not np.isfinite(values).all():
        raise UnreadableFileError(f"{path}, line {line}: {values}; expected four finite numbers")
    return values
