"""What a data set gives and a model takes."""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Maps = dict[str, Tensor]
"""What a network says of each pixel, by name: each (B, C, H, W), float32, after activations."""


class Place(NamedTuple):
    """Where a tile was cut.

    Attributes:
        slide: Name of the image or slide it comes from (file stem, or fold and index).
        x: Left edge in level-0 pixels.
        y: Top edge in level-0 pixels.
        mpp: Micrometres per pixel of the tile.
    """

    slide: str
    x: int
    y: int
    mpp: float


class Record(TypedDict, total=False):
    """One item as a data set stores it: arrays, before augmentation.

    A data set gives some of the keys and names them in its ``provides``.

    Attributes:
        image: (H, W, C), uint8 in 0..255, or float32 in [0, 1]; of any number of channels, and in
            any range where the model normalises.
        instances: (H, W), int32. 0 is background; every other id is one object.
        semantic: (H, W), uint8 in 0..K. The class of each pixel.
        ignore: (H, W), bool. True where the annotation says nothing: neither trained nor scored.
        points: (N, 3), float32: x, y and class (0..K) of nuclei of which only the place is known.
            For evaluation; such records are not augmented.
        stains: Pictures (H, W, C) by stain name, uint8 or float32 like ``image``; of one size where
            they show the same tissue, of any where they are unpaired.
        scribbles: (H, W, S), bool. True where a stroke says what is there: a plane for each class
            of each task and for its background, in the order of `planes_of`. Where no plane of a
            task is True, nothing is said of it.
        held_out: (H, W), bool. True in the window whose scribbles are kept for validation.
        tissue: Organ or tissue of the image, where the data set knows it.
        place: Where the item was cut.
    """

    image: Array
    instances: Array
    semantic: Array
    ignore: Array
    points: Array
    stains: dict[str, Array]
    scribbles: Array
    held_out: Array
    tissue: str
    place: Place


class Sample(TypedDict, total=False):
    """One item as a model takes it: tensors, after augmentation. A batch has a leading B on each.

    Attributes:
        image: (C, H, W), float32 in [0, 1], or about that where the model normalises.
        instances: (H, W), int64, ids as in `Record`.
        semantic: (H, W), int64 in 0..K.
        ignore: (H, W), bool, as in `Record`.
        points: (N, 3), float32, as in `Record`; images of a batch need equally many, so batches
            are of one image.
        stains: (C, H, W) each, float32 in [0, 1], by stain name.
        scribbles: (S, H, W), bool, planes as in `Record`.
        held_out: (H, W), bool, as in `Record`.
        tissue: As in `Record`; a list of B strings in a batch.
        place: As in `Record`; in a batch its fields are a list and three tensors.
    """

    image: Tensor
    instances: Tensor
    semantic: Tensor
    ignore: Tensor
    points: Tensor
    stains: dict[str, Tensor]
    scribbles: Tensor
    held_out: Tensor
    tissue: str
    place: Place
