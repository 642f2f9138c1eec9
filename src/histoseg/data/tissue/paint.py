"""Dyes over the whole image, and the light that comes through them."""

from __future__ import annotations

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.data.tissue.chromatin import draw_textures, paint_nuclei
from histoseg.data.tissue.ground import (
    Cells,
    Masks,
    blood,
    draw_cells,
    draw_masks,
    specks,
    strands,
    tones,
)
from histoseg.data.tissue.look import Look
from histoseg.data.tissue.nuclei import Nuclei
from histoseg.data.tissue.plan import Frame, Plan
from histoseg.ops.noise import smooth_noise, white_noise
from histoseg.ops.stain import od_to_rgb


def paint(
    rng: np.random.Generator,
    frame: Frame,
    plan: Plan,
    nuclei: Nuclei,
    front: Array,
    back: Array,
    look: Look,
) -> Array:
    """Stain a plan and its nuclei.

    Args:
        rng: Source of randomness.
        frame: The pixels.
        plan: Where each tissue lies.
        nuclei: N nuclei.
        front: (H, W), int32. Row + 1 of the nucleus seen.
        back: (H, W), int32. Row + 1 of the one behind it.
        look: Settings of the image.

    Returns:
        (H, W, 4), float32. Optical densities of the dyes in ``look.vectors``.
    """
    textures, cells = draw_textures(rng, frame, look), draw_cells(front)
    masks = draw_masks(rng, textures, frame, plan, look)
    collagen, streaks = strands(rng, frame, plan, look, masks)
    hematoxylin, marker = paint_nuclei(rng, textures, nuclei, front, back, look)
    tone, answer = tones(nuclei, cells)
    grain = 1 + 0.16 * textures.fine + 0.08 * textures.coarse
    cloud = 1 + 0.22 * textures.cloud
    patchy = np.clip(grain * cloud + 0.2 * textures.coarse, 0.2, 2)
    body = masks.epithelium * tone * grain * cloud
    collagen *= grain
    smudge = np.clip(cloud - 1.28, 0, 0.6) * (1 - masks.hollow) * grain + 0.35 * streaks
    shrunk = np.exp(cells.distance * np.float32(-1.25 / look.scale)) * (front == 0)
    halo = 1 - np.float32(look.halo) * shrunk
    (body_h, body_e), (collagen_h, collagen_e) = look.cytoplasm, look.collagen
    dyes = np.empty((frame.height, frame.width, 4), dtype=np.float32)
    dyes[..., 0] = (body_h * body + collagen_h * collagen) * cloud * halo + look.smudge * smudge
    dyes[..., 0] += hematoxylin * (1 - 0.35 * np.clip(marker, 0, 1) * (look.marker == "nuclear"))
    dyes[..., 1] = (body_e * body + collagen_e * collagen * cloud) * halo
    if look.stain == "he":
        dyes[..., 1] += 0.25 * hematoxylin + 0.15 * cells.membrane * body
    dyes[..., 2] = _brown(masks, cells, marker, answer * patchy, body, look)
    dyes[..., 3] = specks(rng, frame, look) + 0.12 * streaks
    _add_blood(dyes, blood(rng, frame, plan, look) * (front == 0), look)
    return dyes


def _brown(
    masks: Masks, cells: Cells, marker: Array, answer: Array, body: Array, look: Look
) -> Array:
    """DAB: in nuclei, or in the membranes and cytoplasm of epithelium, over a faint haze."""
    if look.stain == "he":
        return np.zeros_like(marker)
    haze = 0.03 * body + 0.015 * masks.stroma
    if look.marker == "nuclear":
        return haze + np.float32(look.brown) * marker
    if look.marker == "membrane":
        near = np.clip(1.2 - 0.04 * cells.distance, 0.3, 1)
        covered = np.where(cells.distance > 0, np.float32(1), np.float32(look.veil))
        coat = (0.75 * near + 0.9 * cells.membrane) * covered * answer * masks.epithelium
        return haze + np.float32(look.brown) * coat
    return haze


def _add_blood(dyes: Array, red: Array, look: Look) -> None:
    """Put red cells over what is there: eosin in H&E, a pale tan without it."""
    if look.stain == "he":
        dyes[..., 1] += 0.8 * red
        dyes[..., 2] += 0.35 * red
    else:
        dyes[..., 2] += 0.1 * red
        dyes[..., 3] += 0.08 * red


def expose(rng: np.random.Generator, dyes: Array, look: Look) -> Array:
    """Photograph the dyes.

    Args:
        rng: Source of randomness.
        dyes: (H, W, 4), float32, optical densities.
        look: Settings of the image.

    Returns:
        (H, W, 3), uint8, RGB.
    """
    height, width = dyes.shape[:2]
    light = od_to_rgb(dyes @ look.vectors)
    light = cv2.GaussianBlur(light, (0, 0), look.blur)
    lamp = smooth_noise(rng, height // 16 + 1, width // 16 + 1, 6.0)
    glow = np.asarray(cv2.resize(1 + 0.012 * lamp, (width, height)))[..., None]
    levels = light * glow * (look.white * np.float32(255))
    levels += np.float32(look.noise) * white_noise(rng, height, width, 3)
    image = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
    if not look.quality:
        return image
    _, stream = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, look.quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(stream, cv2.IMREAD_COLOR))[..., ::-1])
