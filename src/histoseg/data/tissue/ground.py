"""The dyes between nuclei: cytoplasm, membranes, collagen, blood, fat and dirt."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.data.tissue.chromatin import Textures, per_nucleus
from histoseg.data.tissue.look import Look
from histoseg.data.tissue.nuclei import Nuclei
from histoseg.data.tissue.plan import CELL, Frame, Plan
from histoseg.ops.noise import fibre_noise, jittered_grid, smooth_noise


@dataclass(frozen=True)
class Cells:
    """The body of each cell: the pixels nearer to its nucleus than to any other.

    Attributes:
        owner: (H, W), int32. Row + 1 of the nucleus; 0 where there is none at all.
        distance: (H, W), float32. Pixels from the nearest nucleus.
        membrane: (H, W), float32 in [0, 1]. Where two cells meet.
    """

    owner: Array
    distance: Array
    membrane: Array


def draw_cells(front: Array) -> Cells:
    """Divide the image among its nuclei, (H, W) int32 of row + 1; at half size, for speed."""
    height, width = front.shape
    half = front[::2, ::2]
    if not half.any():
        far = np.full(front.shape, 1e3, dtype=np.float32)
        return Cells(np.zeros_like(front), far, np.zeros_like(far))
    empty = (half == 0).astype(np.uint8)
    distance, nearest = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(nearest.max()) + 1, dtype=np.int32)
    table[nearest[empty == 0]] = half[empty == 0]
    owner = table[nearest]
    edge = np.zeros(half.shape, dtype=np.float32)
    edge[:, 1:] = owner[:, 1:] != owner[:, :-1]
    edge[1:] = np.maximum(edge[1:], owner[1:] != owner[:-1])
    size = 2 * half.shape[1], 2 * half.shape[0]
    return Cells(
        owner=owner.repeat(2, axis=0).repeat(2, axis=1)[:height, :width],
        distance=2 * cv2.resize(distance, size)[:height, :width],
        membrane=cv2.resize(cv2.GaussianBlur(edge, (0, 0), 0.6), size)[:height, :width],
    )


def soft(level: Array, width: float = 3.0) -> Array:
    """Turn a level (pixels, positive inside) into a mask in [0, 1] with a soft edge."""
    return np.clip(level / np.float32(width) + np.float32(0.5), 0, 1)


@dataclass(frozen=True)
class Masks:
    """Full-size soft masks, (H, W) float32 in [0, 1], which add up to at most 1.

    Attributes:
        epithelium: Cytoplasm of glands and tumours.
        stroma: Connective tissue.
        hollow: Lumen, vessel, fat and glass: nothing but light.
    """

    epithelium: Array
    stroma: Array
    hollow: Array


def draw_masks(
    rng: np.random.Generator, textures: Textures, frame: Frame, plan: Plan, look: Look
) -> Masks:
    """Bring the plan to full size, with ragged edges."""
    ragged = np.float32(0.5 * look.scale) * textures.coarse
    epithelium = soft(frame.enlarge(plan.epithelium) + 0.4 * ragged)
    hollow = soft(frame.enlarge(np.maximum(plan.lumen, plan.glass)) + ragged)
    hollow = np.maximum(hollow, soft(frame.enlarge(plan.vessel) + 0.5 * ragged))
    hollow = np.maximum(hollow, fat_cells(rng, frame, plan, look))
    solid = 1 - hollow
    return Masks(epithelium * solid, (1 - epithelium) * solid, hollow)


def fat_cells(rng: np.random.Generator, frame: Frame, plan: Plan, look: Look) -> Array:
    """The empty inside of fat cells, without their walls: (H, W), float32 in [0, 1]."""
    inside = plan.fat > 0
    if not inside.any():
        return np.zeros((frame.height, frame.width), dtype=np.float32)
    size = 55 * look.scale
    sites = np.floor((jittered_grid(rng, frame.box, size) - frame.box[:2]) / CELL).astype(np.int64)
    rows, cols = frame.shape
    seeds = np.ones(frame.shape, dtype=np.uint8)
    seeds[sites[:, 1].clip(0, rows - 1), sites[:, 0].clip(0, cols - 1)] = 0
    _, nearest = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    within = np.ones(frame.shape, dtype=np.uint8)
    within[:, 1:] &= nearest[:, 1:] == nearest[:, :-1]
    within[1:] &= nearest[1:] == nearest[:-1]
    wall = cv2.GaussianBlur(cv2.distanceTransform(within, cv2.DIST_L2, 5), (0, 0), 1.0) * CELL
    level = np.minimum(plan.fat, wall - 1.0 * look.scale - 2)
    return soft(frame.enlarge(level.astype(np.float32)), 2.5)


def strands(
    rng: np.random.Generator, frame: Frame, plan: Plan, look: Look, masks: Masks
) -> tuple[Array, Array]:
    """Collagen, about 1 where it is dense and 0 in gaps; and its darkest streaks: (H, W) each."""
    px = look.scale

    def weave(thickness: float, length: float) -> Array:
        across, along = plan.across / np.float32(thickness), plan.along / np.float32(length)
        return fibre_noise(rng, frame.enlarge(across), frame.enlarge(along))

    bundle = weave(max(1.8 * px, 2.0), 13 * px)
    fibre = weave(max(0.5 * px, 1.1), 5 * px)
    airy = frame.enlarge(smooth_noise(rng, *frame.shape, max(9 * px / CELL, 1.0)))
    contrast = np.float32(look.fibrous) * np.clip(0.7 + 0.5 * airy, 0.1, 1.6)
    density = np.clip(1 + contrast * (0.22 * bundle + 0.32 * fibre), 0.15, 2.2)
    gap = 0.6 * bundle + 0.5 * fibre + 0.7 * airy - np.float32(look.loose)
    collagen = masks.stroma * density * np.clip(0.7 + gap / np.float32(0.7), 0.06, 1)
    return collagen, np.clip(density - 1.3, 0, 0.5) * collagen


def blood(rng: np.random.Generator, frame: Frame, plan: Plan, look: Look) -> Array:
    """Red cells in vessels and, rarely, spilled: (H, W), float32 in [0, 1]."""
    canvas = np.zeros((frame.height, frame.width), dtype=np.float32)
    radius = 3.0 * look.scale
    xy = jittered_grid(rng, frame.box, 2.1 * radius)
    chance = np.where(frame.sample(plan.vessel, xy) > 0.4 * radius, 0.75, 0.0)
    spilled = frame.sample(plan.inflamed, xy) < -2.6
    chance = np.where(spilled & frame.sample(plan.stroma, xy), 0.4, chance)
    chance = np.where(frame.sample(plan.glass, xy) < -radius, chance, 0.0)
    xy = xy[rng.random(len(xy)) < chance]
    short, tilt = radius * rng.uniform(0.6, 1, len(xy)), rng.uniform(0, 180, len(xy))
    cells = np.concatenate([np.column_stack([xy, short]) * 16, tilt[:, None]], axis=1)
    for x, y, minor, angle in cells.astype(int).tolist():
        axes = int(radius * 16), minor
        cv2.ellipse(canvas, (x, y), axes, angle, 0, 360, 1.0, cv2.FILLED, cv2.LINE_8, 4)
    return cv2.GaussianBlur(canvas, (0, 0), 0.8) if len(cells) else canvas


def specks(rng: np.random.Generator, frame: Frame, look: Look) -> Array:
    """Pigment and dust, smaller than any nucleus: (H, W), float32 optical density."""
    canvas = np.zeros((frame.height, frame.width), dtype=np.float32)
    count = int(rng.poisson(look.dirt * frame.height * frame.width / 256**2))
    place = rng.random((count, 2)) * (frame.width, frame.height)
    radius = rng.uniform(0.2, 0.55, (count, 1)) * look.scale + 0.5
    density = rng.uniform(0.3, 1.3, count).tolist()
    fixed = (np.concatenate([place, radius], axis=1) * 16).astype(int).tolist()
    for (x, y, r), od in zip(fixed, density, strict=True):
        cv2.circle(canvas, (x, y), r, od, cv2.FILLED, cv2.LINE_8, 4)
    return canvas


def tones(nuclei: Nuclei, cells: Cells) -> tuple[Array, Array]:
    """Each cell's depth of colour, and its answer to a membrane marker: (H, W), float32."""
    tone = per_nucleus(nuclei.tone, cells.owner)
    answer = np.where(per_nucleus(nuclei.brown, cells.owner) > 0, tone, np.float32(0.2))
    return cv2.blur(tone, (5, 5)), cv2.blur(answer, (5, 5))
