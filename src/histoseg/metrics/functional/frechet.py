"""Distance between two sets of features, each taken for a Gaussian: the FID's formula."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array

FEWEST = 2048
"""Images that a FID needs at least, by custom: its bias falls with the number of images, and below
this it is larger than most differences between models."""


def gaussian(features: Array) -> tuple[Array, Array]:
    """Mean and covariance of a set.

    Args:
        features: (n, d), n at least 2.

    Returns:
        (d,) and (d, d), float64; the covariance is divided by n - 1.

    Raises:
        ValueError: If there are fewer than two.
    """
    if len(features) < 2:
        raise ValueError(f"a covariance needs two images at least, there are {len(features)}")
    wide = features.astype(np.float64)
    mean = wide.mean(axis=0)
    wide -= mean
    return mean, wide.T @ wide / (len(wide) - 1)


def frechet_distance(first: tuple[Array, Array], second: tuple[Array, Array]) -> float:
    """Squared Frechet distance of two Gaussians.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``. The last trace is taken of the symmetric
    ``S1^(1/2) S2 S1^(1/2)``, which has the same eigenvalues: they stay real and not negative even
    where covariances are singular, so nothing has to be added to a diagonal.

    Args:
        first: Mean (d,) and covariance (d, d).
        second: The same of the other set.

    Returns:
        At least 0.

    Source:
        Dowson & Landau 1982; Heusel et al. 2017.

    Example:
        >>> one = np.eye(2)
        >>> round(frechet_distance((np.zeros(2), one), (np.array([3.0, 4.0]), 4 * one)), 9)
        27.0
    """
    (mean, covariance), (other_mean, other_covariance) = first, second
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ other_covariance @ root).clip(0)).sum()
    apart = np.square(mean - other_mean).sum()
    return max(float(apart + np.trace(covariance) + np.trace(other_covariance) - 2 * shared), 0.0)


def too_few(count: int, width: int) -> str:
    """Say why a FID of so few images cannot be compared, or "".

    Args:
        count: Images of the smaller set.
        width: Length of a feature.
    """
    if count <= width:
        return f"{count} images span less than the {width} dimensions of a feature"
    if count < FEWEST:
        return f"{count} images are fewer than {FEWEST}"
    return ""
