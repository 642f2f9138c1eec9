"""Where epithelium, stroma, vessels, fat and glass lie: coarse fields, four pixels to a cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.data.tissue.look import Look
from histoseg.ops.noise import smooth_noise

CELL: Final = 4  # pixels to a cell of a coarse field
MARGIN: Final = 64  # pixels planned beyond each edge, so that nuclei and glands are cut by it
REGION: Final = 110.0  # µm, grain of the fields by which one tissue gives way to another


@dataclass(frozen=True)
class Frame:
    """The pixels of an image and the coarse grid that covers them with a margin.

    Attributes:
        height: Pixels.
        width: Pixels.
    """

    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a coarse field."""
        margin = 2 * MARGIN // CELL
        return math.ceil(self.height / CELL) + margin, math.ceil(self.width / CELL) + margin

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the coarse grid in pixels of the image."""
        rows, cols = self.shape
        return -MARGIN, -MARGIN, cols * CELL - MARGIN, rows * CELL - MARGIN

    def sample(self, field: Array, xy: Array) -> Array:
        """Read a coarse field at points (N, 2) in pixels: (N,)."""
        cell = np.floor((xy + MARGIN) / CELL).astype(np.int64)
        rows, cols = self.shape
        values: Array = field[cell[:, 1].clip(0, rows - 1), cell[:, 0].clip(0, cols - 1)]
        return values

    def enlarge(self, field: Array) -> Array:
        """Bring a coarse field (float32) to the pixels of the image: (height, width)."""
        skip = MARGIN // CELL
        inner = field[skip:-skip, skip:-skip]
        full = cv2.resize(inner, (inner.shape[1] * CELL, inner.shape[0] * CELL))
        return full[: self.height, : self.width]


@dataclass(frozen=True)
class Plan:
    """The architecture of one image, in coarse float32 fields.

    A level is in pixels and positive inside, like a distance from the border.

    Attributes:
        epithelium: Distance from the basement membrane.
        lumen: Level of the hollow of glands.
        fat: Level of adipose tissue.
        vessel: Level of the hollow of vessels.
        glass: Level of bare glass.
        malignant: Whether epithelium here is neoplastic; bool.
        inflamed: Gaussian level of inflammation.
        normal: (2, rows, cols). Unit vector (x, y) into the epithelium.
        across: Position across the strands of the stroma, pixels.
        along: Position along them, pixels.
        flow: Direction of the strands, radians.
    """

    epithelium: Array
    lumen: Array
    fat: Array
    vessel: Array
    glass: Array
    malignant: Array
    inflamed: Array
    normal: Array
    across: Array
    along: Array
    flow: Array

    @property
    def stroma(self) -> Array:
        """Where connective tissue lies; bool."""
        hollow = np.maximum(np.maximum(self.fat, self.vessel), self.glass)
        return (self.epithelium < 0) & (hollow < 0)


def draw_plan(rng: np.random.Generator, frame: Frame, look: Look) -> Plan:
    """Lay out the tissue of one image."""
    recipe = look.recipe
    region = 0.6 * _field(rng, frame, look, REGION)
    gland = _field(rng, frame, look, rng.uniform(11.0, 24.0)) + region + np.float32(recipe.gland)
    epithelium = signed_distance(_without_scraps(gland > 0.35, 6.0 * look.scale / CELL))
    malignant = _field(rng, frame, look, REGION) + np.float32(recipe.malignant) > 0
    normal = _unit_gradient(epithelium)
    depth = np.float32(look.depth * look.scale) * (1 + 0.2 * _field(rng, frame, look, 12.0))
    solid = 2.5 * malignant * (_field(rng, frame, look, 60.0) > -0.4)
    lumen = epithelium - depth * (1 + solid).astype(np.float32)
    vessels = _field(rng, frame, look, 7.0) > 2.2
    vessel = signed_distance(vessels & (epithelium < -5 * look.scale))
    fat = 12 * look.scale * (_field(rng, frame, look, 35.0) + np.float32(recipe.fat) - 0.6 * region)
    glass = 30 * look.scale * (_field(rng, frame, look, 45.0) + np.float32(recipe.torn))
    across, along = _flow_coordinates(rng, frame, look, epithelium)
    flow = _unit_gradient(across)
    return Plan(
        epithelium=epithelium,
        lumen=lumen,
        fat=np.minimum(fat, -epithelium - 6).astype(np.float32),
        vessel=vessel,
        glass=glass.astype(np.float32),
        malignant=malignant,
        inflamed=_field(rng, frame, look, 14.0) + 0.4 * region + np.float32(recipe.inflamed),
        normal=normal,
        across=across,
        along=along,
        flow=np.arctan2(flow[0], -flow[1]),
    )


def signed_distance(inside: Array) -> Array:
    """Distance in pixels from the border of a coarse mask: float32, positive inside."""
    mask = inside.astype(np.uint8)
    if not mask.any() or mask.all():
        return np.full(mask.shape, 1e3 if mask.any() else -1e3, dtype=np.float32)
    within = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    beyond = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    return cv2.GaussianBlur((within - beyond) * np.float32(CELL), (0, 0), 1.0)


def _without_scraps(mask: Array, radius: float) -> Array:
    """Take away islands, and pockets, too small to hold a nucleus; radius in cells."""
    side = 2 * round(radius) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc)
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, disc)) > 0


def _field(rng: np.random.Generator, frame: Frame, look: Look, grain: float) -> Array:
    """A Gaussian field with its grain in µm, on the coarse grid."""
    return smooth_noise(rng, *frame.shape, max(grain * look.scale / CELL, 0.6))


def _flow_coordinates(
    rng: np.random.Generator, frame: Frame, look: Look, epithelium: Array
) -> tuple[Array, Array]:
    """Wavy coordinates of the stroma, which bend round epithelium."""
    rows, cols = frame.shape
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float32) * np.float32(CELL)
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    swing = np.float32(look.scale)
    wave = 9 * _field(rng, frame, look, 24.0) + 1.3 * _field(rng, frame, look, 6.0)
    wrap = np.maximum(epithelium, -25 * swing) * np.float32(rng.uniform(0.2, 0.9))
    across = cos * x + sin * y + swing * wave + wrap
    along = -sin * x + cos * y + swing * 20 * _field(rng, frame, look, 30.0)
    return across, along


def _unit_gradient(field: Array) -> Array:
    """Direction of steepest ascent: (2, rows, cols), (x, y), float32."""
    smooth = cv2.GaussianBlur(field, (0, 0), 1.5)
    gradient = np.stack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)])
    unit: Array = gradient / (np.linalg.norm(gradient, axis=0) + np.float32(1e-6))
    return unit
