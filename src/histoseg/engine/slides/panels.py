"""Pictures that hold all stains that a model translates together, side by side."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.modules.base import Module
from histoseg.ops.seg_colours import MOST_UNLIKE, unlike_seg

log = logging.getLogger(__name__)


def inputs_of(module: Module) -> tuple[str, ...]:
    """What a model sees together, each of three channels: stains, or one image."""
    return tuple(getattr(module, "inputs", ("image",)))


def refuse_unfit(module: Module, path: Path, image: Array) -> None:
    """Refuse an image (H, W, C), uint8, of which the model says that it is none for it.

    Raises:
        UnreadableFileError: With the model's reason.
    """
    unfit = getattr(module, "unfit", None)
    if unfit is not None and (why := unfit(image)):
        raise UnreadableFileError(f"{path}: {why}")


def stacked(
    path: Path,
    picture: Array,
    inputs: Sequence[str],
    stains: Sequence[str] = (),
    label_stains: Sequence[str] = (),
) -> Array:
    """Part a picture into panels of one size and put the model's inputs on top of each other.

    A strip of as many square panels as the training data had is read by their names; any other
    picture has the inputs alone, from left to right, and may be of any size.

    Args:
        path: Of the picture, for messages.
        picture: (H, n * W, 3), uint8.
        inputs: Stains that the model translates; of one alone the picture is as it should be.
        stains: Panels of the training data, from left to right.
        label_stains: Those that are label pictures.

    Returns:
        (H, W, 3 * inputs), uint8.

    Raises:
        UnreadableFileError: If the picture cannot be parted so, or a label picture has other
            colours.
    """
    if len(inputs) == 1:
        return picture
    height, width = picture.shape[:2]
    whole_strip = width == height * len(stains) and set(inputs) <= set(stains)
    names = tuple(stains if whole_strip else inputs)
    if width % len(names):
        raise UnreadableFileError(
            f"{path} is {width} x {height} pixels (width x height); the model translates "
            f"{len(inputs)} stains together, so a picture has {' | '.join(inputs)} side by side, "
            f"{len(inputs)} panels of one width"
            + (f", or is a strip of the {len(stains)} square panels of the data" if stains else "")
        )
    panels = dict(zip(names, np.split(picture, len(names), axis=1), strict=True))
    log.info("%s is read as panels %s", path.name, " | ".join(names))
    for name in set(inputs) & set(label_stains):
        if (share := unlike_seg(panels[name])) > MOST_UNLIKE:
            raise UnreadableFileError(
                f"{path}: {share:.0%} of panel {name!r} has other colours than red (positive), "
                "blue (negative), green (boundary) and black (background): the panels are "
                f"expected as {' | '.join(names)}"
            )
    return np.concatenate([panels[name] for name in inputs], axis=-1)
