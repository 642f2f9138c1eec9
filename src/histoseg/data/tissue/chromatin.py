"""The dyes inside nuclei: chromatin, rims, nucleoli, overlap, and those out of focus."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.data.tissue.look import Look
from histoseg.data.tissue.nuclei import Nuclei
from histoseg.data.tissue.plan import Frame
from histoseg.ops.noise import smooth_noise


@dataclass(frozen=True)
class Textures:
    """Gaussian fields of an image, (H, W) float32; each serves wherever its grain is wanted.

    Attributes:
        fine: Grains of 0.25 µm: chromatin threads, cytoplasm.
        coarse: Grains of 0.6 µm: chromatin clumps, ragged edges.
        cloud: Grains of 2.5 µm: uneven dye.
    """

    fine: Array
    coarse: Array
    cloud: Array


def draw_textures(rng: np.random.Generator, frame: Frame, look: Look) -> Textures:
    """Draw the textures of one image."""
    return Textures(
        fine=smooth_noise(rng, frame.height, frame.width, max(0.25 * look.scale, 0.8)),
        coarse=smooth_noise(rng, frame.height, frame.width, max(0.6 * look.scale, 1.2)),
        cloud=frame.enlarge(smooth_noise(rng, *frame.shape, max(2.5 * look.scale / 4, 1.0))),
    )


def per_nucleus(column: Array, labels: Array) -> Array:
    """Paint one column of `Nuclei` on a map of row + 1: (H, W), float32, 0 on background."""
    return np.concatenate([np.zeros(1, np.float32), column.astype(np.float32)])[labels]


def paint_nuclei(
    rng: np.random.Generator,
    textures: Textures,
    nuclei: Nuclei,
    front: Array,
    back: Array,
    look: Look,
) -> tuple[Array, Array]:
    """Stain the nuclei.

    Args:
        rng: Source of randomness.
        textures: Of the image.
        nuclei: N nuclei.
        front: (H, W), int32. Row + 1 of the nucleus seen.
        back: (H, W), int32. Row + 1 of the one behind it.
        look: Settings of the image.

    Returns:
        Optical densities (H, W), float32, of hematoxylin, and of the marker before its strength.
    """
    dark, clump = per_nucleus(nuclei.dark, front), per_nucleus(nuclei.clump, front)
    depth = cv2.distanceTransform(interior(front), cv2.DIST_L2, 3)
    rim = np.exp(depth * np.float32(-1.0 / max(0.45 * look.scale, 0.7)))
    clumps = 0.6 * textures.coarse + 0.35 * textures.fine + 0.3 * textures.cloud
    clumps = np.clip(clumps, -1.4, 2.2)
    dense = 1 - per_nucleus(nuclei.pale, front) * (1 - rim) + clump * clumps
    hematoxylin = dark * np.clip(dense, 0.12, 1.8)
    hematoxylin += 0.45 * dark * _nucleoli(rng, nuclei, front, look)
    hidden = (front != back) & (front > 0)
    if hidden.any():
        hematoxylin += np.where(hidden, 0.4 * per_nucleus(nuclei.dark, back), 0)
    marker = per_nucleus(nuclei.brown, front) * np.clip(0.9 + 0.25 * clumps, 0.3, 1.6)
    haze = per_nucleus(nuclei.haze, front)
    return _defocus(hematoxylin, haze, look), _defocus(marker, haze, look)


def interior(labels: Array) -> Array:
    """Pixels of an instance whose right and lower neighbours are its own too: (H, W), uint8."""
    inside = (labels > 0).astype(np.uint8)
    inside[:-1] &= labels[1:] == labels[:-1]
    inside[:, :-1] &= labels[:, 1:] == labels[:, :-1]
    return inside


def _nucleoli(rng: np.random.Generator, nuclei: Nuclei, front: Array, look: Look) -> Array:
    """Round dense bodies: (H, W), float32 in [0, 1], 0 outside nuclei."""
    spots = np.zeros(front.shape, dtype=np.float32)
    host = np.repeat(np.arange(len(nuclei)), nuclei.nucleoli)
    away = rng.uniform(-0.5, 0.5, (len(host), 2)) * nuclei.axes[host]
    c, s = np.cos(nuclei.angle[host]), np.sin(nuclei.angle[host])
    x = nuclei.xy[host, 0] + away[:, 0] * c - away[:, 1] * s
    y = nuclei.xy[host, 1] + away[:, 0] * s + away[:, 1] * c
    radius = rng.uniform(0.45, 1.0, len(host)) * look.scale
    centres = np.round(np.stack([x, y, radius], axis=1) * 16).astype(np.int32)
    for cx, cy, r in centres.tolist():
        cv2.circle(spots, (cx, cy), r, 1.0, cv2.FILLED, cv2.LINE_8, 4)
    return spots * (front > 0)


def _defocus(layer: Array, haze: Array, look: Look) -> Array:
    """Soften a layer, as a section is thicker than a pixel, and blur the share ``haze`` of it."""
    near, far = max(0.22 * look.scale, 0.6), max(0.6 * look.scale, 1.3)
    if not haze.any():
        return np.asarray(cv2.GaussianBlur(layer, (0, 0), near))
    hazy = layer * haze
    soft = cv2.GaussianBlur(layer - hazy, (0, 0), near)
    return np.asarray(soft + cv2.GaussianBlur(hazy, (0, 0), far))
