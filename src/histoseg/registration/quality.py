"""How well two pictures of one tissue lie on each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.registration.affine import parts_of

SMOOTH = 1.5
"""Standard deviation, px, of the Gaussian before pictures are compared: two stains share nuclei,
not chromatin."""
_FLAT = 0.02
_BINS = 64


@dataclass(frozen=True)
class Quality:
    """What is measured of a registration, in pixels of the pictures it was found on.

    Attributes:
        overlap: Share of the smaller picture that lies on the other.
        ncc: Correlation of the nuclear channels over the overlap, -1 to 1.
        mutual_information: Of the same pixels, nats.
        blocks: Number of blocks that have something to compare.
        agreeing: Share of them that lie best where they are.
        residual: Median way, px, to where blocks would lie better; NaN without blocks.
        contrast: Score of the place over the best of unlike places; NaN where none was sought.
        restart: Way, px, between two refinements from different starts; NaN where not done.
    """

    overlap: float
    ncc: float
    mutual_information: float
    blocks: int
    agreeing: float
    residual: float
    contrast: float = math.nan
    restart: float = math.nan


@dataclass(frozen=True)
class Limits:
    """What a registration must reach to be believed.

    Attributes:
        overlap: Least `Quality.overlap`.
        agreeing: Least `Quality.agreeing`.
        blocks: Fewest `Quality.blocks`.
        contrast: Least `Quality.contrast`.
        restart: Largest `Quality.restart`, px.
        block: Side of a block, px; smaller where pictures are.
        reach: How far, px, a block is tried around its place.
        near: How far, px, a block may lie from its best place and agree.
        scale: Largest enlargement, and inverse of the smallest.
        shear: Largest shear (`parts_of`).
    """

    overlap: float = 0.2
    agreeing: float = 0.5
    blocks: int = 4
    contrast: float = 1.3
    restart: float = 3.0
    block: int = 96
    reach: int = 24
    near: float = 4.0
    scale: float = 1.6
    shear: float = 0.25


def measure(fixed: Array, warped: Array, inside: Array, share: float, limits: Limits) -> Quality:
    """Measure two pictures that lie on each other.

    Args:
        fixed: (H, W), float32 in [0, 1], nuclei bright.
        warped: (H, W), float32 in [0, 1]: the other picture in the frame of ``fixed``.
        inside: (H, W), bool: where ``warped`` has pixels.
        share: Pixels inside, as a share of the smaller picture.
        limits: For the size and the reach of blocks.
    """
    a, b = (cv2.GaussianBlur(image, (0, 0), SMOOTH) for image in (fixed, warped))
    shifts = block_shifts(a, b, inside, limits)
    way = np.linalg.norm(shifts, axis=1)
    return Quality(
        overlap=share,
        ncc=correlation(a[inside], b[inside]),
        mutual_information=mutual_information(a[inside], b[inside]),
        blocks=len(way),
        agreeing=float((way <= limits.near).mean()) if len(way) else 0.0,
        residual=float(np.median(way)) if len(way) else math.nan,
    )


def complaints(quality: Quality, matrix: Array, limits: Limits) -> list[str]:
    """Say why a registration is not to be believed; an empty list where it is.

    Args:
        quality: As measured.
        matrix: (3, 3), between pictures with pixels of one size.
        limits: What to reach.
    """
    _, scale, shear = parts_of(matrix)
    found = []
    if quality.overlap < limits.overlap:
        found.append(f"the overlap is {quality.overlap:.0%}, expected {limits.overlap:.0%} or more")
    if quality.blocks < limits.blocks:
        found.append(
            f"only {quality.blocks} blocks of {limits.block} px have nuclei in both, expected"
            f" {limits.blocks}: a picture is almost empty or its nuclear channel is another one"
        )
    elif quality.agreeing < limits.agreeing:
        found.append(
            f"{quality.agreeing:.0%} of {quality.blocks} blocks lie best where they are, expected"
            f" {limits.agreeing:.0%} or more"
        )
    if quality.contrast < limits.contrast:
        found.append(
            f"the best place is {quality.contrast:.2f} times as good as an unlike one, expected"
            f" {limits.contrast:g} or more"
        )
    if quality.restart > limits.restart:
        found.append(
            f"two starts ended {quality.restart:.1f} px apart, expected {limits.restart:g} or less"
        )
    if max(scale, 1 / max(scale, 1e-9)) > limits.scale or np.linalg.det(matrix) <= 0:
        found.append(f"a scale of {scale:.2f} (or a mirror image) is not believable")
    if shear > limits.shear:
        found.append(f"a shear of {shear:.2f} is not believable, expected {limits.shear:g} or less")
    return found


def correlation(a: Array, b: Array) -> float:
    """Pearson's correlation of two arrays of equal size; 0 where one is flat.

    Example:
        >>> correlation(np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 4.0]))
        1.0
    """
    if a.size < 2:
        return 0.0
    a, b = (x.ravel().astype(np.float64) - x.mean(dtype=np.float64) for x in (a, b))
    power = math.sqrt(float(a @ a) * float(b @ b))
    return round(float(a @ b) / power, 12) if power > 1e-12 else 0.0


def mutual_information(a: Array, b: Array) -> float:
    """Mutual information, nats, of values in [0, 1], from a histogram of 64 x 64 bins.

    Example:
        >>> halves = np.array([0.0, 1.0])
        >>> round(mutual_information(halves, halves), 4) == round(math.log(2), 4)
        True
    """
    if not a.size:
        return 0.0
    bins = [np.minimum((x.ravel() * _BINS).astype(np.int64), _BINS - 1) for x in (a, b)]
    joint = np.bincount(bins[0] * _BINS + bins[1], minlength=_BINS**2).reshape(_BINS, _BINS)
    p = joint / joint.sum()
    alone = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / alone[seen])).sum())


def block_shifts(fixed: Array, warped: Array, inside: Array, limits: Limits) -> Array:
    """Find where each block of one picture would lie best on the other.

    Args:
        fixed: (H, W), float32.
        warped: (H, W), float32.
        inside: (H, W), bool: blocks lie wholly in it.
        limits: Side and reach of blocks.

    Returns:
        (N, 2), float64: (x, y) from where each block is to where it correlates best. Blocks that
        are flat in a picture are left out.
    """
    side = min(limits.block, min(fixed.shape) // 4)
    reach = min(limits.reach, side // 2)
    whole = cv2.integral(inside.astype(np.uint8))
    found = []
    for top in range(0, fixed.shape[0] - side + 1, side // 2):
        for left in range(0, fixed.shape[1] - side + 1, side // 2):
            bottom, right = top + side, left + side
            area = whole[bottom, right] - whole[top, right] - whole[bottom, left] + whole[top, left]
            if area == side * side:
                shift = best_shift(fixed, warped, (left, top, right, bottom), reach)
                found += [] if shift is None else [shift]
    return np.array(found, np.float64).reshape(-1, 2)


def best_shift(
    fixed: Array, warped: Array, box: tuple[int, int, int, int], reach: int
) -> tuple[int, int] | None:
    """Where a block of one picture correlates best with the other, up to ``reach`` px away.

    Args:
        fixed: (H, W), float32.
        warped: (H, W), float32.
        box: Left, top, right, bottom of the block.
        reach: Pixels to each side.

    Returns:
        (x, y); None where the block is flat in one of the pictures.
    """
    left, top, right, bottom = box
    block = warped[top:bottom, left:right]
    start = max(left - reach, 0), max(top - reach, 0)
    around = fixed[start[1] : bottom + reach, start[0] : right + reach]
    if block.std() < _FLAT or fixed[top:bottom, left:right].std() < _FLAT:
        return None
    match = cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED)
    y, x = np.unravel_index(int(match.argmax()), match.shape)
    return start[0] + int(x) - left, start[1] + int(y) - top
