"""How near a translated picture is to the true one, pixel by pixel: MSE, PSNR, SSIM."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import cv2
import numpy as np

from histoseg.contracts import Array

Window = Literal["gaussian", "uniform"]
SIMILARITIES = ("ssim", "psnr", "mse")
LEAST_MSE: Final = 1e-10
"""Below it PSNR stays at 100 dB, so that a mean over images with a perfect one is a number."""
_C1, _C2 = 0.01**2, 0.03**2  # K1, K2 of the paper, range 1


class _Window(NamedTuple):
    side: int
    correction: float  # of variances: 1 for those of the population, n / (n - 1) for a sample's


_WINDOWS: Final[dict[str, _Window]] = {
    "gaussian": _Window(11, 1.0),
    "uniform": _Window(7, 49 / 48),
}


def similarity(image: Array, pred: Array, window: Window = "gaussian") -> dict[str, float]:
    """Score one translated picture against the true one.

    Args:
        image: The true picture (H, W) or (H, W, c), float64 or float32 in [0, 1]. What is
            float32 is computed so, three times faster, and exact to 1e-6.
        pred: The translated one, as ``image``.
        window: Of SSIM, see `ssim`.

    Returns:
        ``ssim``, ``psnr`` in dB and ``mse``.

    Raises:
        ValueError: If shapes differ, or a picture is smaller than the window.
    """
    return {"ssim": ssim(image, pred, window), "psnr": psnr(image, pred), "mse": mse(image, pred)}


def mse(image: Array, pred: Array) -> float:
    """Mean squared difference over pixels and channels, in [0, 1]; arguments as `similarity`."""
    first, second = _pair(image, pred)
    return float(np.square(first - second).mean(dtype=np.float64))


def psnr(image: Array, pred: Array) -> float:
    """Peak signal-to-noise ratio in dB, range 1, at most 100; arguments as `similarity`.

    Example:
        >>> round(psnr(np.zeros((4, 4)), np.full((4, 4), 0.1)), 6)
        20.0
    """
    return float(-10 * np.log10(max(mse(image, pred), LEAST_MSE)))


def ssim(image: Array, pred: Array, window: Window = "gaussian") -> float:
    """Structural similarity, range 1, mean over channels and all places of the window.

    Only places where the whole window lies in the picture count.

    Args:
        image: The true picture (H, W) or (H, W, c), floating in [0, 1].
        pred: The translated one, as ``image``.
        window: ``gaussian``: 11 x 11, sigma 1.5, variances of the population, as in the paper;
            ``uniform``: 7 x 7, variances of a sample, as BCI's tables are made.

    Returns:
        In [-1, 1]; 1 for equal pictures.

    Raises:
        ValueError: If shapes differ, or a picture is smaller than the window.

    Source:
        Wang et al. 2004, "Image quality assessment: from error visibility to structural
        similarity".
    """
    x, y = _pair(image, pred)
    side, correction = _WINDOWS[window]
    if min(x.shape[:2]) < side:
        raise ValueError(f"a picture of {x.shape[:2]} is smaller than SSIM's window of {side} px")
    mean_x, mean_y = _smooth(x, window), _smooth(y, window)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    covariance = correction * (_smooth(x * y, window) - product)
    variances = correction * (_smooth(x * x + y * y, window) - squares)  # only their sum is needed
    score = (2 * product + _C1) * (2 * covariance + _C2)
    score /= (squares + _C1) * (variances + _C2)
    edge = side // 2
    return float(
        score[edge : len(score) - edge, edge : score.shape[1] - edge].mean(dtype=np.float64)
    )


def _smooth(plane: Array, window: Window) -> Array:
    side = _WINDOWS[window].side
    if window == "gaussian":
        return cv2.GaussianBlur(plane, (side, side), 1.5)
    return cv2.blur(plane, (side, side))


def _pair(image: Array, pred: Array) -> tuple[Array, Array]:
    if image.shape != pred.shape or image.ndim not in (2, 3) or not image.size:
        raise ValueError(
            f"a picture is {image.shape} and its translation {pred.shape}; "
            "expected both (H, W) or (H, W, c), of one size"
        )
    wide = np.result_type(image, pred, np.float32)
    return image.astype(wide, copy=False), pred.astype(wide, copy=False)
