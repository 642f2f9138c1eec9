"""Nuclei as a struct of arrays, and their outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from histoseg.contracts import Array
from histoseg.data.tissue.look import Look
from histoseg.data.tissue.traits import CLASSES, TRAITS, Range

CORNERS: Final = 30
WAVES: Final = np.arange(2, 6)  # of the outline, per turn; one wave would only shift the nucleus


@dataclass(frozen=True)
class Nuclei:
    """N nuclei, row by row; float32 unless said.

    Attributes:
        xy: (N, 2). Centre in pixels.
        axes: (N, 2). Half length and half width in pixels.
        angle: (N,). Direction of the long axis, radians.
        semantic: (N,), uint8 in 1..4.
        taper: (N,). As in `Traits`.
        bend: (N,). Signed.
        waves: (N, 4, 2). Cosine and sine amplitudes of the outline.
        dark: (N,). Optical density of hematoxylin.
        pale: (N,). As in `Traits`.
        clump: (N,). As in `Traits`.
        nucleoli: (N,), int64.
        haze: (N,). Share of its light out of focus.
        tone: (N,). Multiplies the dyes of its cytoplasm.
        brown: (N,). 0 where negative for the marker, else near 1.
    """

    xy: Array
    axes: Array
    angle: Array
    semantic: Array
    taper: Array
    bend: Array
    waves: Array
    dark: Array
    pale: Array
    clump: Array
    nucleoli: Array
    haze: Array
    tone: Array
    brown: Array

    def __len__(self) -> int:
        """Number of nuclei."""
        return len(self.xy)

    def take(self, rows: Array) -> Nuclei:
        """Keep some rows."""
        return Nuclei(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def joined(groups: Sequence[Nuclei]) -> Nuclei:
    """Put groups of nuclei behind one another."""
    return Nuclei(
        **{f.name: np.concatenate([getattr(g, f.name) for g in groups]) for f in fields(Nuclei)}
    )


def grow(rng: np.random.Generator, look: Look, name: str, xy: Array, angle: Array) -> Nuclei:
    """Give each point a nucleus of one class.

    Args:
        rng: Source of randomness.
        look: Settings of the image.
        name: Class, key of `TRAITS`.
        xy: (N, 2), pixels.
        angle: (N,), radians.

    Returns:
        N nuclei; some 2 % are pyknotic: shrunken, dark and without structure.
    """
    traits, n = TRAITS[name], len(xy)
    dying = rng.random(n) < 0.02
    share = 1.0 if name in ("neoplastic", "epithelial") else 0.25

    def draw(span: Range) -> Array:
        return rng.uniform(*span, n)

    radius = 0.5 * look.scale * traits.diameter * np.exp(traits.spread * rng.standard_normal(n))
    radius *= np.where(dying, 0.65, 1.0)
    stretch = np.sqrt(np.where(dying, 1.1, draw(traits.aspect)))
    phase = rng.uniform(0, 2 * np.pi, (n, len(WAVES)))
    size = rng.random((n, len(WAVES))) * draw(traits.rough)[:, None] * 2 / np.sqrt(WAVES)
    columns = {
        "xy": xy,
        "axes": np.stack([radius * stretch, radius / stretch], axis=1),
        "angle": angle,
        "taper": np.full(n, traits.taper) * rng.uniform(0.4, 1.0, n),
        "bend": traits.bend * rng.uniform(-1, 1, n),
        "waves": np.stack([size * np.cos(phase), size * np.sin(phase)], axis=2),
        "dark": look.nuclear * np.where(dying, 1.9, draw(traits.dark)),
        "pale": np.where(dying, 0.0, draw(traits.pale)),
        "clump": np.where(dying, 0.05, draw(traits.clump)),
        "haze": (rng.random(n) < look.haze) * rng.uniform(0.5, 1.0, n),
        "tone": rng.uniform(0.75, 1.25, n),
        "brown": (rng.random(n) < look.positive * share) * rng.uniform(0.4, 1.4, n),
    }
    return Nuclei(
        semantic=np.full(n, CLASSES.index(name) + 1, dtype=np.uint8),
        nucleoli=rng.poisson(traits.nucleoli, n) * ~dying,
        **{key: np.asarray(value, dtype=np.float32) for key, value in columns.items()},
    )


def outlines(nuclei: Nuclei) -> Array:
    """Corners of each nucleus: (N, CORNERS, 2), float32, (x, y) in pixels."""
    turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False, dtype=np.float32)
    cos, sin = np.cos(turn), np.sin(turn)
    angles = WAVES[:, None] * turn
    basis = np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(-1, CORNERS)
    radius = 1 + nuclei.waves.reshape(-1, 2 * len(WAVES)) @ basis.astype(np.float32)
    u = radius * cos * nuclei.axes[:, :1]
    v = radius * sin * nuclei.axes[:, 1:] * (1 - nuclei.taper[:, None] * cos**4)
    v = v + nuclei.bend[:, None] * nuclei.axes[:, 1:] * (cos**2 - 0.5)
    c, s = np.cos(nuclei.angle)[:, None], np.sin(nuclei.angle)[:, None]
    return np.stack([u * c - v * s, u * s + v * c], axis=2) + nuclei.xy[:, None]


def reach(nuclei: Nuclei, rows: Array, direction: Array) -> Array:
    """Radius of some nuclei towards a direction, as if they were ellipses.

    Args:
        nuclei: N nuclei.
        rows: (M,), int64.
        direction: (M,), radians.

    Returns:
        (M,), pixels.
    """
    a, b = nuclei.axes[rows, 0], nuclei.axes[rows, 1]
    off = direction - nuclei.angle[rows]
    radius: Array = a * b / np.hypot(b * np.cos(off), a * np.sin(off))
    return radius
