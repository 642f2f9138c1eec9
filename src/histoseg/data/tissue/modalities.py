"""One tissue in several stains, from the same nuclei and dyes: what a translator learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.data.tissue.chromatin import interior, per_nucleus
from histoseg.data.tissue.look import Look
from histoseg.data.tissue.nuclei import Nuclei
from histoseg.data.tissue.paint import expose
from histoseg.ops.noise import smooth_noise, white_noise
from histoseg.ops.seg_colours import BOUNDARY, NEGATIVE, POSITIVE

NAMES: Final = ("ihc", "hematoxylin", "dapi", "lap2", "marker", "seg")
_GREEN: Final = np.array([0.1, 1.0, 0.13], np.float32)  # of a fluorophore at 520 nm on a screen


@dataclass(frozen=True)
class Scene:
    """What all pictures of one tissue share.

    Attributes:
        nuclei: N nuclei.
        front: (H, W), int32. Row + 1 of the nucleus seen.
        dyes: (H, W, 4), float32, as `histoseg.data.tissue.paint.paint` gives them.
        look: Settings of the image; its marker is nuclear.
    """

    nuclei: Nuclei
    front: Array
    dyes: Array
    look: Look


def draw_stains(rng: np.random.Generator, scene: Scene) -> dict[str, Array]:
    """Draw the pictures of `NAMES`, each (H, W, 3), uint8.

    Brightfield: ``ihc`` with both dyes, ``hematoxylin`` without DAB. Fluorescence on black:
    ``dapi`` (gray, nuclei), ``lap2`` (green, envelopes), ``marker`` (gray, positive nuclei).
    ``seg``: as `draw_seg`.
    """
    without_dab = scene.dyes.copy()
    without_dab[..., 2] = 0
    return {
        "ihc": expose(rng, scene.dyes, scene.look),
        "hematoxylin": expose(rng, without_dab, scene.look),
        "dapi": _gray(_shine(rng, _dapi(scene), scene.look)),
        "lap2": _green(_shine(rng, _envelopes(rng, scene), scene.look)),
        "marker": _gray(_shine(rng, _marker(scene), scene.look)),
        "seg": draw_seg(scene.front, scene.nuclei.brown > 0),
    }


def draw_seg(front: Array, positive: Array) -> Array:
    """Paint the classes of nuclei in the colours of `histoseg.ops.seg_colours`.

    Args:
        front: (H, W), int32. Row + 1 of the nucleus seen; 0 is background.
        positive: (N,), bool.

    Returns:
        (H, W, 3), uint8. The boundary is two pixels wide and lies outside a nucleus, but between
        two that touch, where it takes a pixel of each.

    Example:
        >>> draw_seg(np.array([[0, 0, 0, 1]], np.int32), np.array([True]))[0].tolist()
        [[0, 0, 0], [0, 255, 0], [0, 255, 0], [255, 0, 0]]
    """
    colours = np.array([(0, 0, 0), NEGATIVE, POSITIVE], np.uint8)
    seg: Array = colours[np.concatenate([[0], 1 + positive])[front]]
    labels = front.astype(np.float32)  # which OpenCV erodes; exact below 2**24
    inside, kernel = front > 0, np.ones((3, 3), np.uint8)
    highest = cv2.dilate(labels, kernel)
    lowest = cv2.erode(np.where(inside, labels, np.float32(2**24)), kernel)
    touching = inside & (lowest < highest)
    around = ~inside & (cv2.dilate(inside.astype(np.uint8), kernel, iterations=2) > 0)
    seg[touching | around] = BOUNDARY
    return seg


def _dapi(scene: Scene) -> Array:
    """Light of the DNA: where hematoxylin is dense in a nucleus."""
    dna = scene.dyes[..., 0] * (scene.front > 0)
    bright = np.percentile(dna[scene.front > 0], 90) if scene.front.any() else 1.0
    return np.sqrt(np.clip(dna / np.float32(bright), 0, 1.6)) * np.float32(0.42)


def _envelopes(rng: np.random.Generator, scene: Scene) -> Array:
    """Light of the nuclear envelope: a rim, and a faint veil over the nucleus."""
    depth = cv2.distanceTransform(interior(scene.front), cv2.DIST_L2, 3)
    rim = np.exp(depth * np.float32(-1 / max(0.5 * scene.look.scale, 1.0)))
    strength = per_nucleus(rng.uniform(0.3, 0.9, len(scene.nuclei)), scene.front)
    return np.asarray(strength * (0.15 + 0.85 * rim))


def _marker(scene: Scene) -> Array:
    """Light of the marker: where DAB binds in a positive nucleus."""
    positive = per_nucleus(scene.nuclei.brown, scene.front) > 0
    return np.clip(scene.dyes[..., 2] / np.float32(scene.look.brown), 0, 1.4) * positive * 0.62


def _shine(rng: np.random.Generator, light: Array, look: Look) -> Array:
    """Photograph a fluorophore: (H, W), float32 in [0, 1], from its light in the same frame."""
    height, width = light.shape
    halo = cv2.GaussianBlur(light, (0, 0), 2.5 * look.scale)
    sharp = cv2.GaussianBlur(light, (0, 0), max(look.blur, 0.7))
    lamp = smooth_noise(rng, height // 16 + 1, width // 16 + 1, 6.0)
    uneven = 1 + np.float32(0.08) * np.asarray(cv2.resize(lamp, (width, height)))
    glow = (0.9 * sharp + 0.18 * halo) * uneven + np.float32(0.015)
    shot = white_noise(rng, height, width, 1).reshape(height, width)
    noisy = glow + np.sqrt(np.maximum(glow, 0)) * np.float32(0.012 * look.noise) * shot
    return np.asarray(np.clip(noisy, 0, 1), np.float32)


def _gray(light: Array) -> Array:
    return np.repeat((light * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)


def _green(light: Array) -> Array:
    return np.asarray((light[..., None] * (_GREEN * 255) + 0.5).astype(np.uint8))
