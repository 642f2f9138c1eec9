"""From two pictures to the transform between them, and whether to believe it."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

import numpy as np

from histoseg.contracts import Array
from histoseg.registration.affine import mean_distance, move, similarity
from histoseg.registration.coarse import Search, find_places
from histoseg.registration.quality import Limits, Quality, complaints, measure
from histoseg.registration.refine import Refinement, refine_affine
from histoseg.registration.warp import Points, inside, reader, sample, sources

log = logging.getLogger(__name__)
NOTHING = Quality(0.0, 0.0, 0.0, 0, 0.0, math.nan)
_FLAT = 1e-3


@dataclass(frozen=True)
class Alignment:
    """An affine transform between two pictures.

    Attributes:
        matrix: (3, 3), from pixels of the fixed to pixels of the moving picture.
        quality: What was measured.
        complaints: Why it is not to be believed; empty where it is.
    """

    matrix: Array
    quality: Quality
    complaints: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """How to register.

    Attributes:
        search: Of the coarse step.
        refinement: Of the fine step.
        limits: What to believe.
    """

    search: Search
    refinement: Refinement
    limits: Limits


def align(fixed: Array, moving: Array, how: Settings, start: Array | None = None) -> Alignment:
    """Find the affine transform between two pictures of one tissue.

    It is refined from two starts near each other, which must end at one place.

    Args:
        fixed: (H, W), float32 in [0, 1], nuclei bright.
        moving: (h, w), float32 in [0, 1]; its pixels about as large as those of ``fixed``.
        how: Settings.
        start: (3, 3), from fixed to moving, in place of the coarse step.

    Raises:
        MissingExtraError: If SimpleITK is not installed.
    """
    flat = [k for k, a in (("fixed", fixed), ("moving", moving)) if float(a.std()) < _FLAT]
    if flat:
        why = f"the {' and the '.join(flat)} picture is empty: its nuclear channel is flat"
        return Alignment(np.eye(3), NOTHING, (why,))
    contrast = math.nan
    if start is None:
        places = find_places(fixed, moving, how.search)
        if not places:
            return Alignment(np.eye(3), NOTHING, ("the coarse step found no place at all",))
        start = places[0].matrix
        contrast = places[0].score / places[1].score if len(places) > 1 else math.nan
    log.info("fine step: mutual information")
    try:
        matrix = refine_affine(fixed, moving, start, how.refinement)
        fewer = replace(how.refinement, shrink=how.refinement.shrink[:-1] or (1,))
        again = refine_affine(fixed, moving, _elsewhere(start, fixed.shape), fewer)
    except RuntimeError as error:
        why = str(error).strip().splitlines()[-1]
        return Alignment(start, NOTHING, (f"the fine step lost the pictures: {why}",))
    restart = mean_distance(matrix, again, (fixed.shape[0], fixed.shape[1]))
    measured = judge(fixed, moving, lambda points: move(matrix, points), how.limits)
    quality = replace(measured, contrast=contrast, restart=restart)
    return Alignment(matrix, quality, tuple(complaints(quality, matrix, how.limits)))


def judge(fixed: Array, moving: Array, points: Points, limits: Limits) -> Quality:
    """Measure how well two pictures lie on each other.

    Args:
        fixed: (H, W), float32 in [0, 1], nuclei bright.
        moving: (h, w), float32 in [0, 1].
        points: From fixed to moving.
        limits: For the size and the reach of blocks.
    """
    where = sources(points, (0, 0, fixed.shape[1], fixed.shape[0]))
    size = moving.shape[0], moving.shape[1]
    on = inside(where, size)
    warped = sample(reader(moving), size, where, fill=0)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]) * (np.array(fixed.shape[::-1]) - 1)
    origin, right, down = points(corners)
    area = abs(float(np.linalg.det(np.stack([right - origin, down - origin]))))
    per_pixel = max(area / max(fixed.size, 1), 1e-9)
    share = float(on.sum()) / min(fixed.size, moving.size / per_pixel)
    return measure(fixed, warped, on, min(share, 1.0), limits)


def _elsewhere(start: Array, size: tuple[int, ...]) -> Array:
    """Another start near one: two degrees, three percent and a hundredth of the picture away."""
    centre = (size[1] - 1) / 2, (size[0] - 1) / 2
    step = max(size) / 100
    return start @ similarity(2.0, 1.03, centre, (centre[0] + step, centre[1] - step))
