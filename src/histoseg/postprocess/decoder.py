"""What a model's maps become: nuclei, classes of pixels, pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from histoseg.contracts import Array, Instances, Nuclei
from histoseg.ops.instances import rows_of

Postprocess = Callable[[Mapping[str, Array]], Instances]


class Found(Protocol):
    """Objects of a region and numbers of each, before thresholds are known."""

    @property
    def instances(self) -> Instances:
        """In pixels of the region."""

    @property
    def measures(self) -> Mapping[str, Array]:
        """As in `Nuclei`."""


@runtime_checkable
class Settling(Protocol):
    """A post-process whose thresholds come from all objects of a picture or slide."""

    def __call__(self, maps: Mapping[str, Array]) -> Instances:
        """Find the objects of a whole picture."""

    def find(self, maps: Mapping[str, Array]) -> Found:
        """Find all candidates of a region."""

    def marker_counts(self, maps: Mapping[str, Array]) -> Array | None:
        """Count pixels in some maps, (N,), for `settle`; counts of regions are added up."""

    def settle(
        self, parts: Iterable[Nuclei], marker_counts: Array | None = None
    ) -> Callable[[Nuclei], Nuclei]:
        """Fix the thresholds; what is returned drops and re-classes objects, keeping their ids."""


class Decoded(NamedTuple):
    """What the maps of one picture or region became.

    Attributes:
        instances: The objects; None for a model that finds none.
        semantic: (H, W), uint8 in 0..K: the class of each pixel; None for a model without.
        stains: Pictures by name, each (H, W, 3), uint8.
        measures: Of the objects, as in `Nuclei`.
    """

    instances: Instances | None
    semantic: Array | None
    stains: Mapping[str, Array]
    measures: Mapping[str, Array] = {}


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

    def with_image(self, maps: Mapping[str, Array], image: Array) -> Mapping[str, Array]:
        """Maps with the image among them where the post-process looks at it.

        Args:
            maps: Of a picture or region.
            image: (H, W, 3), uint8. What the network saw.
        """
        name = getattr(self.postprocess, "image_map", None)
        if name is None:
            return maps
        seen = np.moveaxis(image, -1, 0).astype(np.float32)
        return {**maps, name: seen.round() / np.float32(255)}

    def __call__(self, maps: Mapping[str, Array], *, settle: bool = True) -> Decoded:
        """Read the maps of one picture or region.

        Args:
            maps: By name, each (C, H, W), float32.
            settle: Whether the maps are of a whole picture, so that thresholds can be taken from
                it; else a `Settling` post-process gives all candidates.

        Example:
            >>> decoder = Decoder(stains=("dapi",))
            >>> decoder({"dapi": np.full((1, 1, 1), 0.5, np.float32)}).stains["dapi"].tolist()
            [[[128, 128, 128]]]
        """
        found, measures, classes = None, dict[str, Array](), None
        if isinstance(self.postprocess, Settling):
            some = self.postprocess.find(maps)
            found, measures = some.instances, dict(some.measures)
            if settle:
                counts = self.postprocess.marker_counts(maps)
                calls = self.postprocess.settle([Nuclei.of(found, measures)], counts)
                found, measures = _called(found, measures, calls)
        elif self.postprocess is not None:
            found = self.postprocess(maps)
        if self.semantic is not None:
            classes = maps[self.semantic].argmax(axis=0).astype(np.uint8)
        stains = {name: self.picture(maps[name]) for name in self.stains}
        return Decoded(found, classes, stains, measures)

    def picture(self, values: Array) -> Array:
        """A map (1 or 3, H, W) in [0, 1] as a picture (H, W, 3), uint8."""
        scaled = np.float32(255) * values + (0 if self.truncate else np.float32(0.5))
        picture = np.moveaxis(scaled.clip(0, 255).astype(np.uint8), 0, -1)
        return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def _called(
    found: Instances, measures: Mapping[str, Array], calls: Callable[[Nuclei], Nuclei]
) -> tuple[Instances, dict[str, Array]]:
    """The objects that thresholds leave, with the class that they give them."""
    left = calls(Nuclei.of(found, measures))
    some = rows_of(found, np.isin(found.ids, left.ids))
    kept = replace(some, semantic=left.semantic, score=left.score)
    return kept, dict(left.measures)
