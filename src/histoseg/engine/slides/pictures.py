"""Which files are ordinary pictures, and small enough to be decoded as a whole."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from histoseg.contracts import Array
from histoseg.engine.slides.panels import refuse_unfit
from histoseg.engine.slides.settings import Settings
from histoseg.errors import UnreadableFileError
from histoseg.slides import IMAGE_SUFFIXES, SlideEntry, open_slide, read_image
from histoseg.slides.frame import SNAP

PLAIN = ("picture", "tifffile")
"""Readers of files that may be a picture and no slide."""
LOOKED_AT: Final = 2**26
"""Pixels of a flat picture that is looked at as a whole before it is read in regions."""


class Picture(NamedTuple):
    """Pixels and their size in micrometres; None where nothing says it.

    (H, W, 3), uint8; of a stack (H, W, C), float32 in [0, 1].
    """

    pixels: Array
    mpp: float | None


class Large(NamedTuple):
    """A file that is read in regions; a flat one may be taken to have the model's resolution."""

    flat: bool


def look_at(entry: SlideEntry, settings: Settings) -> Picture | Large:
    """Read a file that is a picture and no larger than a region; say of others what they are.

    A file with one level that is not of a scanner's format is a picture. For a model that learned
    on stacks of channels all files are stacks.

    Raises:
        UnreadableFileError: If it cannot be read, or is none for the model.
        ValueError: If the given resolution is not plausible.
    """
    given = entry.mpp or settings.mpp
    if settings.loading is not None:
        return Picture(settings.loading.read(entry.path), given)
    try:
        slide = open_slide(entry.path, given, entry.magnification)
    except UnreadableFileError:
        if entry.path.suffix.lower() not in IMAGE_SUFFIXES:
            raise
        return Picture(read_image(entry.path), given)  # of a depth that slides do not have
    with slide:
        if len(slide.levels) > 1 or not slide.reader.startswith(PLAIN):
            return Large(flat=False)
        mpp, model_mpp = slide.mpp and sum(slide.mpp) / 2, settings.model_mpp
        scale = mpp / model_mpp if mpp and model_mpp else 1.0
        if max(slide.size) * scale > settings.region:
            if math.prod(slide.size) <= LOOKED_AT:
                refuse_unfit(settings.module, entry.path, read_image(entry.path))
            return Large(flat=True)
    if given is None and abs(scale - 1) <= SNAP:
        mpp = None
    return Picture(read_image(entry.path), mpp)
