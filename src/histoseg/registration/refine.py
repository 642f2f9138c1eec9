"""From a rough place to fractions of a pixel: the best affine transform, by SimpleITK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from histoseg.contracts import Array
from histoseg.registration.itk import affine_from_itk, affine_to_itk, one_thread, simple_itk, to_itk

_BINS = 32


@dataclass(frozen=True)
class Refinement:
    """How the fine step works.

    Attributes:
        shrink: Reductions of the pictures, one after the other.
        samples: At most so many pixels are compared.
        iterations: At most, for each reduction.
        seed: Of the draw of pixels.
    """

    shrink: tuple[int, ...] = (4, 2, 1)
    samples: int = 60_000
    iterations: int = 100
    seed: int = 0


def refine_affine(fixed: Array, moving: Array, start: Array, how: Refinement) -> Array:
    """Maximise mutual information over all affine transforms near one.

    Args:
        fixed: (H, W), float32, nuclei bright.
        moving: (h, w), float32.
        start: (3, 3), from fixed to moving.
        how: Settings.

    Returns:
        (3, 3), from fixed to moving.

    Raises:
        MissingExtraError: If SimpleITK is not installed.
        RuntimeError: If the pictures do not overlap enough on the way.

    Source:
        Mattes et al. 2003, "PET-CT image registration in the chest using free-form deformations".
    """
    centre = ((fixed.shape[1] - 1) / 2, (fixed.shape[0] - 1) / 2)
    affine = affine_to_itk(start, centre)
    method = metric_of(fixed, how, how.shrink)
    method.SetInitialTransform(affine, inPlace=True)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0,
        minStep=1e-3,
        numberOfIterations=how.iterations,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    with one_thread():
        method.Execute(to_itk(fixed), to_itk(moving))
    return affine_from_itk(affine)


def metric_of(fixed: Array, how: Refinement, shrink: tuple[int, ...]) -> Any:
    """SimpleITK's registration with mutual information on seeded samples, as yet unoptimised.

    Args:
        fixed: (H, W).
        how: Number of samples, and seed.
        shrink: Reductions of the pictures.
    """
    method = simple_itk().ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    shares = [min(1.0, how.samples * factor**2 / fixed.size) for factor in shrink]
    method.SetMetricSamplingPercentagePerLevel(shares, how.seed + 1)  # 0 would be the clock
    method.SetInterpolator(simple_itk().sitkLinear)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel([factor / 2 if factor > 1 else 0.7 for factor in shrink])
    return method
