"""Procedural tissue in six co-registered stains: the data of translators without a download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from torch.utils.data import Dataset

from histoseg.contracts import Place, Record
from histoseg.data.synthetic import SPLITS, Split, check_names, check_sizes
from histoseg.data.tissue.labels import draw_labels
from histoseg.data.tissue.look import draw_look
from histoseg.data.tissue.modalities import NAMES, Scene, draw_stains
from histoseg.data.tissue.paint import paint
from histoseg.data.tissue.plan import Frame, draw_plan
from histoseg.data.tissue.settle import settle


def synthetic_stains(
    height: int,
    width: int,
    seed: int | Sequence[int] = 0,
    *,
    tissue: str | None = None,
    density: float = 1.0,
    mpp: float = 0.25,
) -> Record:
    """Draw one tissue with a nuclear marker in six stains.

    Args:
        height: Pixels.
        width: Pixels.
        seed: Entropy of the generator; the same arguments give the same pictures.
        tissue: As in `histoseg.data.synthetic.synthetic_tissue`.
        density: Multiplies the number of nuclei, where there is room.
        mpp: Nominal µm per pixel.

    Returns:
        ``stains``: as `histoseg.data.tissue.modalities.draw_stains` gives them; ``tissue`` such as
        "gland"; ``place``.

    Raises:
        ValueError: If an argument is out of its range; the message names it.

    Example:
        >>> list(synthetic_stains(64, 96, seed=3)["stains"])
        ['ihc', 'hematoxylin', 'dapi', 'lap2', 'marker', 'seg']
    """
    check_sizes(height, width, density, mpp)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    frame = Frame(height, width)
    look = replace(
        draw_look(rng, "ihc", tissue, mpp),
        marker="nuclear",
        positive=rng.uniform(0.05, 0.9),
        brown=rng.uniform(0.8, 1.7),
    )
    plan = draw_plan(rng, frame, look)
    nuclei = settle(rng, frame, plan, look, density)
    front, back = draw_labels(frame, nuclei)
    dyes = paint(rng, frame, plan, nuclei, front, back, look)
    name = "synthetic-stains-" + "-".join(str(s) for s in np.atleast_1d(seed))
    return Record(
        stains=draw_stains(rng, Scene(nuclei, front, dyes, look)),
        tissue=look.tissue,
        place=Place(name, 0, 0, mpp),
    )


class SyntheticStains(Dataset[Record]):
    """Images of `synthetic_stains`, drawn when they are asked for.

    Args:
        length: Number of images.
        split: Enters the seed: three lists that share no image.
        tile: Height and width of an image, or one number for both, pixels.
        seed: Another seed is another list.
        stains: Which of the six pictures a record has, in this order.
        density: Multiplies the number of nuclei, where there is room.
        mpp: Nominal µm per pixel.

    Raises:
        ValueError: If an argument is out of its range, or there is no such stain.

    Example:
        >>> data = SyntheticStains(length=4, tile=64, stains=["ihc", "seg"])
        >>> {name: picture.shape for name, picture in data[0]["stains"].items()}
        {'ihc': (64, 64, 3), 'seg': (64, 64, 3)}
    """

    provides: ClassVar[frozenset[str]] = frozenset({"stains", "tissue", "place"})

    def __init__(
        self,
        length: int,
        split: Split = "train",
        tile: int | Sequence[int] = 512,
        seed: int = 0,
        stains: Sequence[str] = NAMES,
        density: float = 1.0,
        mpp: float = 0.25,
    ) -> None:
        if length < 0 or seed < 0 or not stains:
            raise ValueError(
                f"length {length} and seed {seed} must not be negative, and stains {list(stains)} "
                f"name some of {list(NAMES)}"
            )
        check_names([split], SPLITS, "split")
        check_names(stains, NAMES, "stain")
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
        seed = (self.seed, SPLITS.index(self.split), index % self.length)
        record = synthetic_stains(self.height, self.width, seed, density=self.density, mpp=self.mpp)
        record["stains"] = {name: record["stains"][name] for name in self.stains}
        return record
