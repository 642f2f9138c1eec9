"""The nuclei of any picture as one bright channel: what two stains of a tissue have in common."""

from __future__ import annotations

from typing import Final

import numpy as np

from histoseg.contracts import Array
from histoseg.ops.stain import hed_from_rgb, rgb_to_od

CHANNELS: Final = ("auto", "hematoxylin", "density", "brightness", "red", "green", "blue")
_COLOURS: Final = {"red": 0, "green": 1, "blue": 2}
_COLOURED = 8  # difference of channels, of 255, that is colour and not noise of a camera or JPEG


def is_bright(rgb: Array) -> bool:
    """Whether a picture is of light that went through tissue: half of it is light or more.

    Args:
        rgb: (H, W, 3), uint8.
    """
    return float(np.median(rgb)) >= 128


def kind_of(rgb: Array) -> str:
    """Which channel ``auto`` means.

    Args:
        rgb: (H, W, 3), uint8.

    Returns:
        ``hematoxylin`` for a light picture in colours, ``density`` for a light gray one,
        ``brightness`` for a dark one.
    """
    if not is_bright(rgb):
        return "brightness"
    spread = rgb.max(axis=-1).astype(np.int16) - rgb.min(axis=-1)
    return "hematoxylin" if np.percentile(spread, 95) > _COLOURED else "density"


def nuclear_channel(rgb: Array, channel: str = "auto") -> Array:
    """Take the channel of nuclei out of a picture.

    Args:
        rgb: (H, W, 3), uint8.
        channel: ``hematoxylin`` by colour deconvolution; ``density``, the mean optical density;
            ``brightness``, the brightest of the colours; one colour; or ``auto`` (`kind_of`).

    Returns:
        (H, W), float32 in [0, 1]: nuclei bright, cut at the 1st and 99.5th percentile. All 0 where
        the picture says nothing.

    Raises:
        ValueError: If there is no such channel.
    """
    if channel not in CHANNELS:
        raise ValueError(f"channel {channel!r}: expected one of {', '.join(CHANNELS)}")
    name = kind_of(rgb) if channel == "auto" else channel
    if name == "hematoxylin":
        values = hed_from_rgb(rgb)[..., 0]
    elif name == "density":
        values = rgb_to_od(rgb).mean(axis=-1)
    elif name == "brightness":
        values = rgb.max(axis=-1).astype(np.float32)
    else:
        values = rgb[..., _COLOURS[name]].astype(np.float32)
    low, high = np.percentile(values, (1.0, 99.5))
    if high - low < 1e-6:
        return np.zeros(values.shape, np.float32)
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)
