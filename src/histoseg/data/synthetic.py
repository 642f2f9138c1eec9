"""Procedural tissue, the data set of the demo and the tests: exact truth, no download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

import numpy as np
from torch.utils.data import Dataset

from histoseg.contracts import Place, Record
from histoseg.data.tissue.labels import draw_labels, renumbered
from histoseg.data.tissue.look import STAINS, TISSUES, Stain, draw_look
from histoseg.data.tissue.paint import expose, paint
from histoseg.data.tissue.plan import Frame, draw_plan
from histoseg.data.tissue.settle import settle
from histoseg.data.tissue.traits import CLASSES

Split = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "val", "test")
_STAIN_NAMES: Final = {"he": "H&E", "ihc": "IHC"}


def synthetic_tissue(
    height: int,
    width: int,
    seed: int | Sequence[int] = 0,
    *,
    stain: Stain = "he",
    tissue: str | None = None,
    density: float = 1.0,
    mpp: float = 0.25,
) -> Record:
    """Draw one image of tissue with the truth of every pixel.

    Args:
        height: Pixels.
        width: Pixels.
        seed: Entropy of the generator; the same arguments give the same image.
        stain: ``he`` (hematoxylin and eosin) or ``ihc`` (hematoxylin and DAB).
        tissue: One of gland, tumour, stroma, lymphoid, empty; None draws one. In an image larger
            than some 500 pixels it is what prevails: the tissue changes from place to place.
        density: Multiplies the number of nuclei, where there is room.
        mpp: Nominal µm per pixel. Cells are drawn at 0.34 to 0.86 times their nominal size.

    Returns:
        ``image`` (H, W, 3) uint8, ``instances`` (H, W) int32 numbered 1..n, ``semantic`` (H, W)
        uint8 in 0..4, ``tissue`` such as "H&E gland", ``place``. An instance is one 4-connected
        piece of at least 12 pixels: what is seen of a nucleus, without what lies under another.

    Raises:
        ValueError: If an argument is out of its range; the message names it.

    Example:
        >>> record = synthetic_tissue(64, 96, seed=3, stain="ihc", tissue="tumour")
        >>> record["image"].shape, record["tissue"]
        ((64, 96, 3), 'IHC tumour')
    """
    check_sizes(height, width, density, mpp)
    check_names([stain], STAINS, "stain")
    check_names([] if tissue is None else [tissue], tuple(TISSUES), "tissue")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    frame = Frame(height, width)
    look = draw_look(rng, stain, tissue, mpp)
    plan = draw_plan(rng, frame, look)
    nuclei = settle(rng, frame, plan, look, density)
    front, back = draw_labels(frame, nuclei)
    image = expose(rng, paint(rng, frame, plan, nuclei, front, back, look), look)
    instances, old = renumbered(front)
    semantic = np.concatenate([np.zeros(1, np.uint8), nuclei.semantic[old - 1]])[instances]
    name = "synthetic-" + "-".join(str(s) for s in np.atleast_1d(seed))
    return Record(
        image=image,
        instances=instances,
        semantic=semantic,
        tissue=f"{_STAIN_NAMES[stain]} {look.tissue}",
        place=Place(name, 0, 0, mpp),
    )


class SyntheticTissue(Dataset[Record]):
    """A list of images drawn by `synthetic_tissue`, each from (seed, split, index) alone.

    Args:
        length: Number of images.
        split: One of train, val, test: three lists that share no image.
        tile: Height and width of an image, or one number for both, pixels.
        seed: Another seed is another list.
        stains: Looks to take turns with.
        classes: Must be neoplastic, inflammatory, connective, epithelial: what the images show.
        density: Multiplies the number of nuclei, where there is room.
        mpp: Nominal µm per pixel.

    Raises:
        ValueError: If an argument is out of its range, or ``classes`` is another list.

    Example:
        >>> data = SyntheticTissue(length=4, tile=64)
        >>> len(data), data[0]["image"].shape
        (4, (64, 64, 3))
    """

    provides: ClassVar[frozenset[str]] = frozenset(
        {"image", "instances", "semantic", "tissue", "place"}
    )

    def __init__(
        self,
        length: int,
        split: Split = "train",
        tile: int | Sequence[int] = 256,
        seed: int = 0,
        stains: Sequence[Stain] = STAINS,
        classes: Sequence[str] = CLASSES,
        density: float = 1.0,
        mpp: float = 0.25,
    ) -> None:
        if length < 0 or seed < 0:
            raise ValueError(f"length {length} and seed {seed} must not be negative")
        if tuple(classes) != CLASSES:
            raise ValueError(
                f"synthetic tissue has the classes {list(CLASSES)}, not {list(classes)}; "
                "set data.classes to the former"
            )
        if not stains:
            raise ValueError(f"no stains given; name some of {list(STAINS)}")
        check_names([split], SPLITS, "split")
        check_names(stains, STAINS, "stain")
        self.height, self.width = (tile, tile) if isinstance(tile, int) else tile
        check_sizes(self.height, self.width, density, mpp)
        self.length, self.seed, self.stains = length, seed, tuple(stains)
        self.split, self.density, self.mpp = split, density, mpp

    def __len__(self) -> int:
        """Number of images."""
        return self.length

    def __getitem__(self, index: int) -> Record:
        """Draw image ``index``; negative indices count from the end."""
        if not -self.length <= index < self.length:
            raise IndexError(f"index {index} is outside a data set of {self.length} images")
        index %= self.length
        return synthetic_tissue(
            self.height,
            self.width,
            (self.seed, SPLITS.index(self.split), index),
            stain=self.stains[index % len(self.stains)],
            density=self.density,
            mpp=self.mpp,
        )


def check_sizes(height: int, width: int, density: float, mpp: float) -> None:
    """Refuse an image that cannot be drawn.

    Raises:
        ValueError: If an argument is out of its range; the message names it.
    """
    if min(height, width) < 16:
        raise ValueError(f"expected an image of at least 16 x 16 pixels, got {height} x {width}")
    if not 0.0 < density <= 4.0:
        raise ValueError(f"expected a density above 0 and at most 4, got {density}")
    if not 0.1 <= mpp <= 1.0:
        raise ValueError(f"expected mpp between 0.1 and 1 µm per pixel, got {mpp}")


def check_names(names: Sequence[str], known: Sequence[str], what: str) -> None:
    """Refuse names that are not known.

    Raises:
        ValueError: Naming the first of them and the known ones.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}; choose from {list(known)}")
