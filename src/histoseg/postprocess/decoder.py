"""What a model's maps become: nuclei, classes of pixels, pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array, Instances

Postprocess = Callable[[Mapping[str, Array]], Instances]


class Decoded(NamedTuple):
    """What the maps of one picture or region became.

    Attributes:
        instances: The objects; None for a model that finds none.
        semantic: (H, W), uint8 in 0..K: the class of each pixel; None for a model without.
        stains: Pictures by name, each (H, W, 3), uint8.
    """

    instances: Instances | None
    semantic: Array | None
    stains: Mapping[str, Array]


@dataclass(frozen=True)
class Decoder:
    """How the maps of a picture or of a region are read; a model says it once, for all verbs.

    Attributes:
        postprocess: Maps to objects; None for a model that finds none.
        semantic: Map (1 + K, H, W) of class probabilities whose largest is the class of a pixel;
            None for a model without.
        stains: Maps (1 or 3, H, W) in [0, 1] that are pictures.
        truncate: Whether pictures become uint8 by cutting decimals off, as DeepLIIF does, instead
            of rounding.
        backgrounds: RGB 0..255 of a picture where there is no tissue; white for others.
    """

    postprocess: Postprocess | None = None
    semantic: str | None = None
    stains: tuple[str, ...] = ()
    truncate: bool = False
    backgrounds: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def kinds(self) -> frozenset[str]:
        """What there is to write: some of ``instances``, ``semantic``, ``stains``."""
        there = {
            "instances": self.postprocess is not None,
            "semantic": self.semantic is not None,
            "stains": bool(self.stains),
        }
        return frozenset(kind for kind, is_there in there.items() if is_there)

    def __call__(self, maps: Mapping[str, Array]) -> Decoded:
        """Read the maps of one region.

        Args:
            maps: By name, each (C, H, W), float32.

        Example:
            >>> decoder = Decoder(stains=("dapi",))
            >>> decoder({"dapi": np.full((1, 1, 1), 0.5, np.float32)}).stains["dapi"].tolist()
            [[[128, 128, 128]]]
        """
        found = None if self.postprocess is None else self.postprocess(maps)
        classes = None
        if self.semantic is not None:
            classes = maps[self.semantic].argmax(axis=0).astype(np.uint8)
        return Decoded(found, classes, {name: self.picture(maps[name]) for name in self.stains})

    def picture(self, values: Array) -> Array:
        """A map (1 or 3, H, W) in [0, 1] as a picture (H, W, 3), uint8."""
        scaled = np.float32(255) * values + (0 if self.truncate else np.float32(0.5))
        picture = np.moveaxis(scaled.clip(0, 255).astype(np.uint8), 0, -1)
        return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))
