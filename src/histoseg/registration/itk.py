"""SimpleITK, which only registration needs, and pictures and matrices as it has them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import MissingExtraError


def simple_itk() -> Any:
    """Import SimpleITK.

    Raises:
        MissingExtraError: If it is not there; says how to get it.
    """
    try:
        return importlib.import_module("SimpleITK")
    except ImportError as error:
        raise MissingExtraError(
            f"registration needs SimpleITK, which is not installed ({error}): "
            "pip install 'histoseg[register]'"
        ) from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Let SimpleITK work in one thread: the order of sums, and so the last bits, depend on it.

    The number that a registration is told reaches its filters, but not its metric.
    """
    default = simple_itk().ProcessObject
    before = default.GetGlobalDefaultNumberOfThreads()
    default.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        default.SetGlobalDefaultNumberOfThreads(before)


def to_itk(image: Array) -> Any:
    """A picture (H, W) as SimpleITK's: spacing 1, so that its points are our pixels (x, y)."""
    return simple_itk().GetImageFromArray(np.ascontiguousarray(image, np.float32))


def affine_to_itk(matrix: Array, centre: tuple[float, float]) -> Any:
    """A matrix (3, 3) as SimpleITK's affine transform about a centre (x, y)."""
    affine = simple_itk().AffineTransform(2)
    affine.SetCenter(centre)
    affine.SetMatrix(matrix[:2, :2].ravel().tolist())
    shift = matrix[:2, 2] + matrix[:2, :2] @ np.array(centre) - np.array(centre)
    affine.SetTranslation(shift.tolist())
    return affine


def affine_from_itk(affine: Any) -> Array:
    """SimpleITK's affine transform as a matrix (3, 3)."""
    matrix = np.eye(3)
    matrix[:2, :2] = np.array(affine.GetMatrix()).reshape(2, 2)
    centre = np.array(affine.GetCenter())
    matrix[:2, 2] = np.array(affine.GetTranslation()) + centre - matrix[:2, :2] @ centre
    return matrix
