"""Samples of any depth -> 8-bit RGB."""

from __future__ import annotations

import numpy as np

from histoseg.contracts import Array

TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""What undoes each value of the EXIF and TIFF tag Orientation."""


def turned_up(image: Array, orientation: int) -> Array:
    """Turn or mirror an image (H, W, ...) so that its first row is the top."""
    return np.asarray(TURNED.get(orientation, TURNED[1])(image))


class SamplesError(ValueError):
    """Samples that are no picture, though the file is sound."""


def to_uint8(samples: Array, bits: int, depth: int | None = None) -> Array:
    """Bring samples to 8 bits.

    Whole numbers of 8 bits stay as they are; other depths are scaled by the range of their declared
    depth. Scanners and cameras put 8 or 12 bits into 16: a 16-bit array is scaled by the smallest
    range of 8, 12 or 16 bits that holds its maximum, since black pictures help nobody.

    Args:
        samples: Any shape; bool, uint8, uint16, or floating point in [0, 1].
        bits: Declared bits of a sample.
        depth: Bits that 16-bit samples use, where more is known than these samples tell.

    Returns:
        The same shape, uint8.

    Raises:
        SamplesError: If the type is another, or floating-point values leave [0, 1].

    Example:
        >>> to_uint8(np.array([0, 2048, 4095], np.uint16), 16)
        array([  0, 128, 255], dtype=uint8)
        >>> to_uint8(np.array([0, 2048, 65535], np.uint16), 16)
        array([  0,   8, 255], dtype=uint8)
    """
    if samples.dtype.kind == "f":
        return _unit_to_uint8(samples)
    if samples.dtype == bool:
        return samples.astype(np.uint8) * np.uint8(255)
    if samples.dtype not in (np.uint8, np.uint16):
        raise SamplesError(
            f"samples are {samples.dtype}, expected 8 or 16 bits without sign, or floats in [0, 1]"
        )
    if samples.dtype == np.uint8 and bits == 8:
        return samples
    if bits == 16:
        bits = depth or used_bits(int(samples.max(initial=0)))
    full = (1 << bits) - 1
    values = np.arange(1 << (8 * samples.dtype.itemsize), dtype=np.uint32)
    table = np.minimum((values * 255 + full // 2) // full, 255).astype(np.uint8)
    return np.asarray(table[samples])


def used_bits(highest: int) -> int:
    """The smallest of 8, 12 and 16 bits that holds a value."""
    return next(depth for depth in (8, 12, 16) if highest < 1 << depth)


def _unit_to_uint8(samples: Array) -> Array:
    if np.isnan(samples).any():
        raise SamplesError(
            f"{np.isnan(samples).mean():.2%} of its samples are no numbers (NaN): fill them with 0"
            " and save it again"
        )
    low, high = samples.min(initial=0), samples.max(initial=0)
    if not (low >= 0 and high <= 1):
        raise SamplesError(
            f"floating-point samples span {low:g} to {high:g}, expected [0, 1]: divide by the"
            " maximum that the scanner can give"
        )
    return np.asarray((samples * 255 + 0.5).astype(np.uint8))


def on_white(rgb: Array, alpha: Array, multiplied: bool = False) -> Array:
    """Lay a picture with transparency on white paper, as glass is white and not black.

    Args:
        rgb: (H, W, 3), uint8.
        alpha: (H, W), uint8; 255 is opaque.
        multiplied: Whether ``rgb`` was multiplied by ``alpha`` when it was written.

    Returns:
        (H, W, 3), uint8.

    Raises:
        ValueError: If no pixel is visible at all.

    Example:
        >>> on_white(np.zeros((1, 1, 3), np.uint8), np.full((1, 1), 51, np.uint8))
        array([[[204, 204, 204]]], dtype=uint8)
    """
    if not alpha.any():
        raise ValueError("every pixel is transparent: export the picture without alpha channel")
    if alpha.min() == 255:
        return rgb
    opacity = alpha[..., None].astype(np.uint16)
    ink = rgb * np.uint16(255) if multiplied else rgb * opacity
    mixed = (ink + 255 * (255 - opacity) + 127) // 255
    return np.asarray(np.minimum(mixed, 255).astype(np.uint8))
