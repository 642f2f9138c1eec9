"""What tells one kind of nucleus from another, in micrometres and optical densities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Range = tuple[float, float]


@dataclass(frozen=True)
class Traits:
    """The morphology of one class of nuclei; ranges are drawn from evenly.

    Attributes:
        diameter: Mean diameter of a disc of the same area, µm.
        spread: Sigma of the logarithm of the diameter.
        aspect: Length over width.
        taper: 0 is an ellipse, 1 a spindle.
        bend: Largest sag of the long axis, as a share of the half width.
        rough: Amplitude of the outline's waves, as a share of the radius.
        dark: Optical density of hematoxylin where chromatin is dense.
        pale: How much of it the inside loses against the rim (1: an empty vesicle).
        clump: Contrast of the chromatin.
        nucleoli: Mean number.
    """

    diameter: float
    spread: float
    aspect: Range
    taper: float
    bend: float
    rough: Range
    dark: Range
    pale: Range
    clump: Range
    nucleoli: float


CLASSES: Final = ("neoplastic", "inflammatory", "connective", "epithelial")
"""The classes of the data set, in the order of their numbers 1..4."""

TRAITS: Final[dict[str, Traits]] = {
    "neoplastic": Traits(
        diameter=9.8,
        spread=0.2,
        aspect=(1.05, 1.75),
        taper=0.0,
        bend=0.25,
        rough=(0.03, 0.11),
        dark=(0.55, 1.6),
        pale=(0.2, 0.85),
        clump=(0.25, 0.6),
        nucleoli=1.3,
    ),
    "inflammatory": Traits(
        diameter=6.3,
        spread=0.10,
        aspect=(1.0, 1.3),
        taper=0.0,
        bend=0.15,
        rough=(0.01, 0.08),
        dark=(0.9, 1.8),
        pale=(0.0, 0.35),
        clump=(0.2, 0.5),
        nucleoli=0.0,
    ),
    "connective": Traits(
        diameter=6.8,
        spread=0.18,
        aspect=(1.9, 5.0),
        taper=0.6,
        bend=0.6,
        rough=(0.01, 0.06),
        dark=(0.5, 1.6),
        pale=(0.0, 0.55),
        clump=(0.1, 0.4),
        nucleoli=0.1,
    ),
    "epithelial": Traits(
        diameter=8.0,
        spread=0.10,
        aspect=(1.15, 2.2),
        taper=0.1,
        bend=0.25,
        rough=(0.01, 0.05),
        dark=(0.6, 1.5),
        pale=(0.15, 0.7),
        clump=(0.15, 0.4),
        nucleoli=0.35,
    ),
}
