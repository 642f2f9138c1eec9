"""Which nuclei live where: rows in glands, sheets in tumours, strands and clusters in stroma."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from histoseg.contracts import Array
from histoseg.data.tissue.look import Look
from histoseg.data.tissue.nuclei import Nuclei, grow, joined, reach
from histoseg.data.tissue.plan import Frame, Plan
from histoseg.ops.noise import jittered_grid


def settle(
    rng: np.random.Generator, frame: Frame, plan: Plan, look: Look, density: float
) -> Nuclei:
    """Fill a plan with nuclei.

    Args:
        rng: Source of randomness.
        frame: The pixels.
        plan: Where each tissue lies.
        look: Settings of the image.
        density: Multiplies the number of nuclei, where there is room.

    Returns:
        Nuclei in and a little beyond the frame; neighbours touch, and overlap by what
        ``look.crowding`` allows.
    """
    px, pack = look.scale, density**-0.5
    groups = [
        _benign(rng, frame, plan, look, pack),
        _tumour(rng, frame, plan, look, pack),
        _vessel_wall(rng, frame, plan, look),
        _inflammatory(rng, frame, plan, look, 6.0 * px * pack),
        _fibroblasts(rng, frame, plan, look, rng.uniform(11.0, 22.0) * px * pack),
    ]
    return _without_collisions(joined(groups), look.crowding)


def _benign(rng: np.random.Generator, frame: Frame, plan: Plan, look: Look, pack: float) -> Nuclei:
    """Epithelial nuclei: one row along the basement membrane, or pseudostratified."""
    px = look.scale
    xy = jittered_grid(rng, frame.box, 5.6 * px * pack)
    deep = frame.sample(plan.epithelium, xy)
    lives = ~frame.sample(plan.malignant, xy) & (frame.sample(plan.lumen, xy) < -2.5 * px)
    lives &= frame.sample(plan.glass, xy) < 0
    row = np.float32(0.3 * look.depth * px)
    band = 0.42 * look.depth * px if look.layers else 4.0 * px
    lives &= np.abs(deep - row) < band
    lives &= deep > 3.0 * px
    xy, deep = xy[lives], deep[lives]
    normal = np.stack([frame.sample(plan.normal[0], xy), frame.sample(plan.normal[1], xy)], axis=1)
    if not look.layers:
        level = row + px * rng.standard_normal(len(xy)).astype(np.float32)
        xy = xy + normal * (level - deep)[:, None]
    angle = np.arctan2(normal[:, 1], normal[:, 0]) + 0.2 * rng.standard_normal(len(xy))
    return grow(rng, look, "epithelial", xy, angle)


def _tumour(rng: np.random.Generator, frame: Frame, plan: Plan, look: Look, pack: float) -> Nuclei:
    """Neoplastic nuclei: sheets and crowded glands of uneven order."""
    px = look.scale
    xy = jittered_grid(rng, frame.box, rng.uniform(8.5, 13.0) * px * pack)
    lives = frame.sample(plan.malignant, xy) & (frame.sample(plan.lumen, xy) < -4 * px)
    lives &= (frame.sample(plan.epithelium, xy) > 3.5 * px) & (frame.sample(plan.glass, xy) < 0)
    xy = xy[lives]
    normal = np.arctan2(frame.sample(plan.normal[1], xy), frame.sample(plan.normal[0], xy))
    angle = normal + look.disorder * rng.standard_normal(len(xy))
    return grow(rng, look, "neoplastic", xy, angle)


def _vessel_wall(rng: np.random.Generator, frame: Frame, plan: Plan, look: Look) -> Nuclei:
    """Flat endothelial nuclei round the hollow of a vessel."""
    px = look.scale
    xy = jittered_grid(rng, frame.box, 6.0 * px)
    level = frame.sample(plan.vessel, xy)
    lives = (np.abs(level + 1.5 * px) < 2.5 * px) & (rng.random(len(xy)) < 0.5)
    lives &= np.maximum(frame.sample(plan.glass, xy), frame.sample(plan.fat, xy)) < -2 * px
    xy = xy[lives]
    rows, cols = np.gradient(plan.vessel)
    angle = np.arctan2(frame.sample(cols, xy), -frame.sample(rows, xy))
    return grow(rng, look, "connective", xy, angle)


def _inflammatory(
    rng: np.random.Generator, frame: Frame, plan: Plan, look: Look, spacing: float
) -> Nuclei:
    """Round cells: many where the stroma is inflamed, a few anywhere, rarely inside epithelium."""
    xy = jittered_grid(rng, frame.box, spacing)
    level = frame.sample(plan.inflamed, xy)
    chance = np.where(frame.sample(plan.stroma, xy), 0.85 * np.clip(level, 0.01, 1), 0.0)
    inside = (frame.sample(plan.epithelium, xy) > 0) & (frame.sample(plan.lumen, xy) < 0)
    chance = np.where(inside & (frame.sample(plan.glass, xy) < 0), 0.02, chance)
    xy = xy[rng.random(len(xy)) < chance]
    return grow(rng, look, "inflammatory", xy, rng.uniform(0, np.pi, len(xy)))


def _fibroblasts(
    rng: np.random.Generator, frame: Frame, plan: Plan, look: Look, spacing: float
) -> Nuclei:
    """Spindle cells along the strands of the stroma."""
    xy = jittered_grid(rng, frame.box, spacing)
    xy = xy[frame.sample(plan.stroma, xy) & (rng.random(len(xy)) < 0.8)]
    angle = frame.sample(plan.flow, xy) + 0.2 * rng.standard_normal(len(xy))
    return grow(rng, look, "connective", xy, angle)


def _without_collisions(nuclei: Nuclei, crowding: float) -> Nuclei:
    """Drop each nucleus that lies too deep in an earlier one that stays."""
    if len(nuclei) < 2:
        return nuclei
    nearest = 2 * float(np.percentile(nuclei.axes[:, 0], 99))
    pairs = cKDTree(nuclei.xy).query_pairs(nearest, output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]
    step: Array = nuclei.xy[second] - nuclei.xy[first]
    direction = np.arctan2(step[:, 1], step[:, 0])
    room = reach(nuclei, first, direction) + reach(nuclei, second, direction)
    clash = pairs[np.hypot(step[:, 0], step[:, 1]) < crowding * room]
    stays = [True] * len(nuclei)
    for early, late in clash[np.lexsort((clash[:, 1], clash[:, 0]))].tolist():
        if stays[early]:
            stays[late] = False
    return nuclei.take(np.flatnonzero(stays))
