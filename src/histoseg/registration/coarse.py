"""Where a picture roughly lies on another: every turn and size tried, every shift at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft

from histoseg.contracts import Array
from histoseg.registration.affine import mean_distance, shrinking, similarity

LEAST_OVERLAP = 0.25


@dataclass(frozen=True)
class Search:
    """What the coarse step looks through.

    Attributes:
        angle: Largest turn to either side, degrees.
        scale: Largest enlargement; its inverse is the smallest.
        side: Longer side of the pictures compared, px.
        overlap: Least share of the smaller picture that must lie on the other.
        keep: How many places to give back.
    """

    angle: float = 36.0
    scale: float = 1.32
    side: int = 128
    overlap: float = LEAST_OVERLAP
    keep: int = 6


@dataclass(frozen=True)
class Place:
    """A place found: the matrix from fixed to moving, and how well pixels agree there.

    Attributes:
        matrix: (3, 3).
        score: Correlation, times the square root of the share of the smaller picture in it.
    """

    matrix: Array
    score: float


def find_places(fixed: Array, moving: Array, search: Search) -> list[Place]:
    """Find the likeliest places of one picture on another.

    Args:
        fixed: (H, W), float32, nuclei bright.
        moving: (h, w), float32; its pixels as large as those of ``fixed``, within ``scale``.
        search: What to look through.

    Returns:
        Up to ``keep`` places, the best first, no two alike.

    Source:
        Correlation of all shifts with only the overlap counted: Padfield 2012, "Masked object
        registration in the Fourier domain".
    """
    shrink = max(1.0, max(*fixed.shape, *moving.shape) / search.side)
    small, other = _shrunk(fixed, shrink), _shrunk(moving, shrink)
    reach = math.ceil(math.hypot(*other.shape) * search.scale) + 1
    shape = tuple(scipy.fft.next_fast_len(n + reach, real=True) for n in small.shape)
    target = _Spectra.of(small, np.ones(small.shape, np.float32), shape)
    least = search.overlap * min(small.size, other.size)
    found = []
    for scale in _steps(search.scale, other.shape):
        for angle in _turns(search.angle, other.shape):
            found.append(_best_shift(target, other, (angle, scale), shape, least))
    full = shrinking((shrink, shrink))
    places = [Place(full @ p.matrix @ np.linalg.inv(full), p.score) for p in found if p.score > 0]
    size = fixed.shape[0], fixed.shape[1]
    return _distinct(sorted(places, key=lambda p: -p.score), size, search.keep)


def _shrunk(image: Array, by: float) -> Array:
    """Shrunk by means of areas, and smoothed: shapes of nuclei differ between stains."""
    size = tuple(max(8, round(n / by)) for n in image.shape[::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32)


def _turns(largest: float, size: tuple[int, ...]) -> Array:
    """Angles so close that the border moves by some three pixels from one to the next."""
    step = math.degrees(3.0 / (max(size) / 2))
    number = math.ceil(largest / step)
    return np.linspace(-largest, largest, 2 * number + 1)


def _steps(largest: float, size: tuple[int, ...]) -> Array:
    step = 3.0 / (max(size) / 2)
    number = math.ceil(math.log(largest) / step)
    return np.exp(np.linspace(-math.log(largest), math.log(largest), 2 * number + 1))


@dataclass(frozen=True)
class _Spectra:
    image: Array
    square: Array
    mask: Array

    @classmethod
    def of(cls, image: Array, mask: Array, shape: tuple[int, ...]) -> _Spectra:
        image = image * mask
        return cls(*(scipy.fft.rfft2(a, shape) for a in (image, image * image, mask)))


def _best_shift(
    target: _Spectra, moving: Array, pose: tuple[float, float], shape: tuple[int, ...], least: float
) -> Place:
    """Turn and size the moving picture, and find its best shift on the fixed one."""
    angle, scale = pose  # of the matrix from fixed to moving
    height, width = moving.shape
    side = math.ceil(math.hypot(height, width) / scale)
    centre = (side - 1) / 2
    back = similarity(angle, scale, (centre, centre), ((width - 1) / 2, (height - 1) / 2))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(moving, back[:2], (side, side), flags=flags)
    inside = cv2.warpAffine(np.ones_like(moving), back[:2], (side, side), flags=flags) > 0.99
    own = _Spectra.of(turned, inside.astype(np.float32), shape)
    score = _correlation(target, own, shape, least)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    left, top = _signed(int(x), side, shape[1]), _signed(int(y), side, shape[0])
    matrix = back @ np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1.0]])
    return Place(matrix, float(score[y, x]))


def _signed(place: int, side: int, size: int) -> int:
    """A shift of the cyclic plane as a number: the last ``side`` of them are to the left."""
    return place - size if place >= size - side else place


def _correlation(a: _Spectra, b: _Spectra, shape: tuple[int, ...], least: float) -> Array:
    def over(one: Array, other: Array) -> Array:
        return np.asarray(scipy.fft.irfft2(one * np.conj(other), shape))

    n = over(a.mask, b.mask)
    enough = n >= least
    n = np.maximum(n, 1.0)
    sum_a, sum_b = over(a.image, b.mask), over(a.mask, b.image)
    both = over(a.image, b.image) - sum_a * sum_b / n
    var_a = over(a.square, b.mask) - sum_a**2 / n
    var_b = over(a.mask, b.square) - sum_b**2 / n
    power = np.sqrt(np.maximum(var_a, 1e-3) * np.maximum(var_b, 1e-3))
    return np.asarray(np.where(enough, both / power * np.sqrt(n), -1.0))


def _distinct(places: list[Place], size: tuple[int, int], keep: int) -> list[Place]:
    """The best places, leaving out those within a sixteenth of the picture of a better one."""
    kept: list[Place] = []
    for place in places:
        far = max(size) / 16
        if all(mean_distance(place.matrix, k.matrix, size) > far for k in kept):
            kept.append(place)
        if len(kept) == keep:
            break
    return kept
