"""What a model made of an image or a slide: what writers receive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from histoseg.contracts.instances import Instances, LabelPart, Nuclei, StainPart
from histoseg.contracts.samples import Array

RGB = tuple[int, int, int]
StainParts = Mapping[str, Callable[[], Iterator[StainPart]]]
OBJECTS = frozenset({"instances"})


@dataclass(frozen=True)
class Prediction:
    """What a model made of one image, in pixels of that image.

    Attributes:
        name: Stem of the files to write.
        image: (H, W, 3), uint8. The image in the frame of ``instances``.
        instances: The objects found, in pixels of ``image``; none without objects in ``kinds``.
        classes: Names of classes 1..K; empty for a model without classes.
        colours: K RGB triples 0..255, one for each class.
        mpp: Micrometres per pixel of ``image``; None where unknown.
        maps: What the network said, by name, each (C, H, W) float32; empty unless asked for.
        measures: As in `Nuclei`.
        source: File of the image, where there is one.
        scale_xy: As in `SlidePrediction`.
        bounds_xy: As in `SlidePrediction`.
        kinds: As in `SlidePrediction`.
        semantic: (H, W), uint8 in 0..K: the class of each pixel; None for a model without.
        stains: Pictures by name, each (H, W, 3), uint8.
        backgrounds: As in `SlidePrediction`.
    """

    name: str
    image: Array
    instances: Instances
    classes: tuple[str, ...] = ()
    colours: tuple[RGB, ...] = ()
    mpp: float | None = None
    maps: Mapping[str, Array] = field(default_factory=dict)
    measures: Mapping[str, Array] = field(default_factory=dict)
    source: Path | None = None
    scale_xy: tuple[float, float] = (1.0, 1.0)
    bounds_xy: tuple[int, int] = (0, 0)
    kinds: frozenset[str] = OBJECTS
    semantic: Array | None = None
    stains: Mapping[str, Array] = field(default_factory=dict)
    backgrounds: Mapping[str, RGB] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        height, width = self.image.shape[:2]
        return height, width

    @property
    def thumbnail(self) -> Array:
        """The image."""
        return self.image

    def parts(self) -> Iterator[Nuclei]:
        """All objects at once."""
        yield Nuclei.of(self.instances, self.measures)

    def label_parts(self) -> Iterator[LabelPart]:
        """The whole label map."""
        yield LabelPart(0, 0, self.instances.labels)

    def semantic_parts(self) -> Iterator[LabelPart]:
        """The whole class map, if there is one."""
        if self.semantic is not None:
            yield LabelPart(0, 0, self.semantic)

    @property
    def stain_parts(self) -> StainParts:
        """Each picture as one part."""
        return {name: partial(_whole, picture) for name, picture in self.stains.items()}


@dataclass(frozen=True)
class SlidePrediction:
    """What a model made of a slide, region by region.

    Everything is in pixels of one frame: the slide as the model saw it, at its own resolution.
    ``scale_xy`` leads from there to the slide at full size.

    Attributes:
        name: Stem of the files to write.
        size: (height, width) of the frame.
        parts: Gives the objects anew at each call, a part for each region, in order.
        label_parts: Gives the label maps, as many and in the same order.
        classes: Names of classes 1..K; empty for a model without classes.
        colours: K RGB triples 0..255, one for each class.
        mpp: Micrometres per pixel of the frame; None where unknown.
        scale_xy: Level-0 pixels for each pixel of the frame.
        bounds_xy: Upper left corner of what was scanned, in level-0 pixels.
        thumbnail: (h, w, 3), uint8: the whole slide.
        source: The slide.
        kinds: What the model says: some of ``instances``, ``semantic`` and ``stains``. Without
            ``instances`` there are no objects in ``parts`` and nothing in ``label_parts``.
        semantic_parts: Gives the class of each pixel, 0..K, region by region.
        stain_parts: By name of a picture, gives it region by region.
        backgrounds: RGB 0..255 of each picture where no region is; white for those not named.
    """

    name: str
    size: tuple[int, int]
    parts: Callable[[], Iterator[Nuclei]]
    label_parts: Callable[[], Iterator[LabelPart]] = lambda: iter(())
    classes: tuple[str, ...] = ()
    colours: tuple[RGB, ...] = ()
    mpp: float | None = None
    scale_xy: tuple[float, float] = (1.0, 1.0)
    bounds_xy: tuple[int, int] = (0, 0)
    thumbnail: Array | None = None
    source: Path | None = None
    kinds: frozenset[str] = OBJECTS
    semantic_parts: Callable[[], Iterator[LabelPart]] = lambda: iter(())
    stain_parts: StainParts = field(default_factory=dict)
    backgrounds: Mapping[str, RGB] = field(default_factory=dict)


def _whole(picture: Array) -> Iterator[StainPart]:
    yield StainPart(0, 0, picture)


Predicted = Prediction | SlidePrediction
"""What writers take; most of them only its name, size, classes, colours, mpp, scale and parts."""
