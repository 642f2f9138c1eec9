"""Light and dye: RGB, optical density, and the amounts of hematoxylin, eosin and DAB."""

from __future__ import annotations

from typing import Final

import numpy as np

from histoseg.contracts import Array

_RUIFROK = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])

STAIN_VECTORS: Final = (_RUIFROK / np.linalg.norm(_RUIFROK, axis=1, keepdims=True)).astype(
    np.float32
)
"""Optical density in (red, green, blue) of one unit of hematoxylin, eosin, DAB.

(3, 3), float32, rows of length 1. Source: Ruifrok & Johnston 2001, "Quantification of histochemical
staining by color deconvolution", in the values that scikit-image uses for ``rgb2hed``.
"""

_HED_FROM_OD: Final = np.linalg.inv(STAIN_VECTORS.astype(np.float64)).astype(np.float32)
_DARKEST: Final = 1.0 / 255.0
_OD_OF_LEVEL: Final = np.log(255.0 / np.maximum(np.arange(256), 1)).astype(np.float32)


def rgb_to_od(rgb: Array) -> Array:
    """Turn transmitted light into optical density (natural logarithm).

    Args:
        rgb: Any shape, uint8 in 0..255 or floating in [0, 1], where 1 is unstained glass.

    Returns:
        The same shape, float32 in [0, 5.55]: light below 1/255 counts as 1/255.

    Source:
        Beer-Lambert law.

    Example:
        >>> rgb_to_od(np.array([255, 128, 0], dtype=np.uint8)).round(2)
        array([0.  , 0.69, 5.54], dtype=float32)
    """
    if rgb.dtype == np.uint8:
        return _OD_OF_LEVEL[rgb]
    light = np.clip(rgb, _DARKEST, 1.0).astype(np.float32, copy=False)
    return -np.log(light)


def od_to_rgb(od: Array) -> Array:
    """Turn optical density into transmitted light, the inverse of `rgb_to_od`.

    Args:
        od: Any shape, floating. A negative density (brighter than glass) counts as 0.

    Returns:
        The same shape, float32 in [0, 1].

    Example:
        >>> od_to_rgb(np.array([0.0, np.log(2.0)]))
        array([1. , 0.5], dtype=float32)
    """
    return np.exp(-np.maximum(od, 0.0).astype(np.float32, copy=False))


def hed_from_rgb(rgb: Array) -> Array:
    """Unmix an image into amounts of hematoxylin, eosin and DAB.

    Args:
        rgb: (..., 3), uint8 in 0..255 or floating in [0, 1].

    Returns:
        (..., 3), float32. Amounts of `STAIN_VECTORS`; negative for a colour outside their cone.

    Raises:
        ValueError: If the last axis is not 3 long.

    Source:
        Ruifrok & Johnston 2001. Amounts are in natural-logarithm units (scikit-image divides by
        ``ln 1e6``) and are not clipped at 0, so that `rgb_from_hed` gives the image back.

    Example:
        >>> hed_from_rgb(od_to_rgb(2.0 * STAIN_VECTORS[0])).round(3) + 0.0
        array([2., 0., 0.], dtype=float32)
    """
    _check_last_axis(rgb, "an RGB image")
    return rgb_to_od(rgb) @ _HED_FROM_OD


def rgb_from_hed(hed: Array) -> Array:
    """Mix amounts of hematoxylin, eosin and DAB back into an image.

    Args:
        hed: (..., 3), floating.

    Returns:
        (..., 3), float32 in [0, 1].

    Raises:
        ValueError: If the last axis is not 3 long.

    Example:
        >>> rgb_from_hed(np.array([1.0, 0.0, 0.0])).round(2)
        array([0.52, 0.5 , 0.75], dtype=float32)
    """
    _check_last_axis(hed, "stain amounts")
    return od_to_rgb(hed.astype(np.float32, copy=False) @ STAIN_VECTORS)


def _check_last_axis(array: Array, what: str) -> None:
    if array.ndim == 0 or array.shape[-1] != 3:
        raise ValueError(
            f"expected {what} of shape (..., 3), got {array.shape}; move channels last"
        )
