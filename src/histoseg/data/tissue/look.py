"""What one image has in common: its tissue, its dyes, its microscope. Drawn once per image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from histoseg.contracts import Array
from histoseg.ops.stain import STAIN_VECTORS

Stain = Literal["he", "ihc"]
Marker = Literal["none", "nuclear", "membrane"]
STAINS: Final[tuple[Stain, ...]] = ("he", "ihc")

# Colours of other laboratories, mixed with Ruifrok's: near Macenko et al. 2009 for H and E, and the
# bluer hematoxylin of an immunohistochemical slide, by eye from scikit-image's sample photograph.
_OTHER_HE: Final = np.array([[0.56, 0.72, 0.41], [0.22, 0.80, 0.56]])
_OTHER_IHC: Final = np.array([[0.76, 0.62, 0.20], [0.28, 0.52, 0.80]])


@dataclass(frozen=True)
class Recipe:
    """What a tissue is made of; each number is a level of a unit Gaussian field, higher is more.

    Attributes:
        share: How often it is drawn.
        gland: Epithelium, benign or not, against stroma.
        malignant: Neoplastic against benign epithelium.
        inflamed: Inflammatory cells in the stroma.
        fat: Adipose tissue.
        torn: Glass: the edge of the section and tears in it.
    """

    share: float
    gland: float
    malignant: float
    inflamed: float
    fat: float
    torn: float


TISSUES: Final[dict[str, Recipe]] = {
    "gland": Recipe(share=0.32, gland=0.15, malignant=-1.6, inflamed=-0.8, fat=-2.8, torn=-2.7),
    "tumour": Recipe(share=0.30, gland=0.75, malignant=1.8, inflamed=-0.6, fat=-2.8, torn=-2.7),
    "stroma": Recipe(share=0.20, gland=-1.5, malignant=0.0, inflamed=-0.9, fat=-1.9, torn=-1.9),
    "lymphoid": Recipe(share=0.14, gland=-1.2, malignant=0.3, inflamed=1.4, fat=-2.6, torn=-2.5),
    "empty": Recipe(share=0.03, gland=-9.0, malignant=0.0, inflamed=-9.0, fat=-1.0, torn=1.6),
}


@dataclass(frozen=True)
class Look:
    """The settings of one image.

    Attributes:
        tissue: Key of `TISSUES`.
        stain: Which pair of dyes.
        scale: Pixels per micrometre of this image's cells.
        vectors: (4, 3), float32. Optical densities of hematoxylin, eosin, DAB and grey matter.
        marker: Where the antibody binds.
        positive: Share of positive cells.
        veil: Share of a membrane marker that also lies over the nucleus.
        brown: Optical density of DAB in a positive cell.
        nuclear: Multiplies the hematoxylin of all nuclei.
        cytoplasm: Optical densities of (hematoxylin, eosin) in epithelial cytoplasm.
        collagen: Optical densities of (hematoxylin, eosin) in stroma.
        loose: Level of the gaps between strands; higher is airier.
        fibrous: Contrast of the strands.
        halo: Share of eosin lost round a nucleus.
        crowding: Distance at which neighbours touch (1) or overlap (below 1).
        disorder: Sigma in radians of how tumour nuclei turn away from the basement membrane.
        depth: Height of the epithelium, µm.
        layers: Whether benign epithelium is pseudostratified.
        smudge: Hematoxylin smeared where there is no nucleus.
        haze: Share of nuclei out of focus.
        dirt: Mean number of specks in 256 x 256 pixels.
        white: (3,), float32 in [0, 1]. Light of clear glass.
        blur: Sigma of the optics, pixels.
        noise: Sigma of the sensor, levels of 255.
        quality: JPEG quality; 0 is no compression.
    """

    tissue: str
    stain: Stain
    scale: float
    vectors: Array
    marker: Marker
    positive: float
    veil: float
    brown: float
    nuclear: float
    cytoplasm: tuple[float, float]
    collagen: tuple[float, float]
    loose: float
    fibrous: float
    halo: float
    crowding: float
    disorder: float
    depth: float
    layers: bool
    smudge: float
    haze: float
    dirt: float
    white: Array
    blur: float
    noise: float
    quality: int

    @property
    def recipe(self) -> Recipe:
        """What the tissue is made of."""
        return TISSUES[self.tissue]


def draw_look(rng: np.random.Generator, stain: Stain, tissue: str | None, mpp: float) -> Look:
    """Draw the settings of one image.

    Args:
        rng: Source of randomness.
        stain: Which pair of dyes.
        tissue: Key of `TISSUES`; None draws one.
        mpp: Nominal µm per pixel.

    Returns:
        The settings. Cells are 0.34 to 0.86 times their nominal size, more variety than one
        laboratory has, so that a model also meets the look of half the magnification.
    """
    he = stain == "he"
    shares = np.array([r.share for r in TISSUES.values()])
    drawn = str(rng.choice(list(TISSUES), p=shares / shares.sum()))
    marker: Marker = (
        "none" if he else ("nuclear", "membrane", "none")[rng.choice(3, p=[0.42, 0.46, 0.12])]
    )
    u = rng.uniform
    return Look(
        tissue=tissue or drawn,
        stain=stain,
        scale=float(np.exp(u(np.log(0.34), np.log(0.86)))) / mpp,
        vectors=_vectors(rng, he),
        marker=marker,
        positive=u(0.05, 0.9) if marker == "nuclear" else u(0.75, 1.0),
        veil=u(0.2, 0.9),
        brown=u(0.4, 1.7),
        nuclear=u(0.65, 1.3) if he else u(0.28, 0.9),
        cytoplasm=(u(0.03, 0.42), u(0.2, 0.55)) if he else (u(0.02, 0.25), 0.0),
        collagen=(u(0.0, 0.3) ** 1.3, u(0.15, 0.5)) if he else (u(0.04, 0.3), 0.0),
        loose=u(-2.4, -0.2),
        fibrous=u(0.3, 1.0),
        halo=u(0.0, 0.6),
        crowding=u(0.78, 1.02),
        disorder=u(0.25, 1.5),
        depth=u(14.0, 30.0),
        layers=bool(rng.random() < 0.5),
        smudge=u(0.1, 1.0),
        haze=u(0.0, 0.35),
        dirt=5.0 * (rng.random() < 0.3),
        white=(u(0.88, 0.98) + rng.normal(0.0, 0.008, 3)).clip(0.8, 1.0).astype(np.float32),
        blur=u(0.45, 1.35),
        noise=u(0.8, 2.6),
        quality=int(rng.integers(72, 96)) if rng.random() < 0.5 else 0,
    )


def _vectors(rng: np.random.Generator, he: bool) -> Array:
    """Draw the dyes of a laboratory: between two published ones, and a little off."""
    h, e, d = STAIN_VECTORS.astype(np.float64)
    h2, e2 = _OTHER_HE
    if not he:
        h2, d2 = _OTHER_IHC
        d = d + rng.random() * (d2 - d)
    h, e = h + rng.random() * (h2 - h), e + rng.uniform(0.35, 1.1) * (e2 - e)
    if rng.random() < 0.12:  # a slide of one colour, as of cresyl violet or an old stain
        e = 0.75 * h + 0.25 * e
    dyes = np.stack([h, e, d]) + rng.normal(0.0, 0.025, (3, 3))
    dyes = dyes.clip(0.01) / np.linalg.norm(dyes, axis=1, keepdims=True)
    return np.concatenate([dyes, np.full((1, 3), 3**-0.5)]).astype(np.float32)
