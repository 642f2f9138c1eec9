"""What an affine cannot follow: a smooth bending, by SimpleITK's B-spline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.registration.itk import affine_to_itk, one_thread, simple_itk, to_itk
from histoseg.registration.refine import Refinement, metric_of

ORDER = 3


@dataclass(frozen=True)
class Bending:
    """A smooth bending of the fixed picture, before the matrix.

    Attributes:
        itk: SimpleITK's B-spline transform, in pixels of the reduced fixed picture.
        field: (H, W, 2), float32: the way (x, y) of each pixel of the reduced fixed picture.
    """

    itk: Any
    field: Array

    def move(self, points_xy: Array) -> Array:
        """Bend points (N, 2) of the reduced fixed picture; beyond it as at its border."""
        height, width = self.field.shape[:2]
        x = np.clip(points_xy[:, 0], 0, width - 1).astype(np.float32)
        y = np.clip(points_xy[:, 1], 0, height - 1).astype(np.float32)
        way = np.empty((len(x), 2), np.float32)
        for start in range(0, len(x), _REMAPPED):
            part = slice(start, start + _REMAPPED)
            way[part] = cv2.remap(self.field, x[part], y[part], cv2.INTER_LINEAR).reshape(-1, 2)
        return np.asarray(points_xy + way)

    @property
    def folds(self) -> bool:
        """Whether the bending turns some place inside out, so that no tissue can have moved so."""
        dx, dy = np.gradient(self.field, axis=1), np.gradient(self.field, axis=0)
        area = (1 + dx[..., 0]) * (1 + dy[..., 1]) - dx[..., 1] * dy[..., 0]
        return bool((area <= 0).any())

    def write(self, path: Path) -> None:
        """Write SimpleITK's own text of the transform."""
        simple_itk().WriteTransform(self.itk, str(path))


_REMAPPED = 30_000
"""Points at a time: OpenCV's pictures have at most 32767 rows."""


def bend(fixed: Array, moving: Array, matrix: Array, cells: int, how: Refinement) -> Bending:
    """Find a bending that raises mutual information further.

    Args:
        fixed: (H, W), float32, nuclei bright.
        moving: (h, w), float32.
        matrix: (3, 3), from fixed to moving; stays as it is.
        cells: Of the B-spline's grid along each side.
        how: Settings of the fine step.

    Raises:
        MissingExtraError: If SimpleITK is not installed.

    Source:
        Rueckert et al. 1999, "Nonrigid registration using free-form deformations".
    """
    itk, target = simple_itk(), to_itk(fixed)
    spline = itk.BSplineTransformInitializer(target, (cells, cells), ORDER)
    centre = ((fixed.shape[1] - 1) / 2, (fixed.shape[0] - 1) / 2)
    method = metric_of(fixed, how, shrink=(4, 2))
    method.SetMovingInitialTransform(affine_to_itk(matrix, centre))
    method.SetInitialTransform(spline, inPlace=True)
    method.SetOptimizerAsLBFGSB(
        gradientConvergenceTolerance=1e-6, numberOfIterations=how.iterations
    )
    with one_thread():
        method.Execute(target, to_itk(moving))
    return Bending(spline, _field(spline, target))


def read_bending(path: Path, size: tuple[int, int]) -> Bending:
    """Read a bending that `Bending.write` wrote.

    Args:
        path: The file.
        size: (height, width) of the reduced fixed picture.
    """
    itk = simple_itk()
    spline = itk.BSplineTransform(itk.ReadTransform(str(path)))
    return Bending(spline, _field(spline, to_itk(np.zeros(size, np.float32))))


def _field(spline: Any, like: Any) -> Array:
    itk = simple_itk()
    field = itk.TransformToDisplacementField(
        spline, itk.sitkVectorFloat32, like.GetSize(), like.GetOrigin(), like.GetSpacing()
    )
    return np.asarray(itk.GetArrayFromImage(field))
