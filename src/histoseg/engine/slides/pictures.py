"""Which files are ordinary pictures, and small enough to be decoded as a whole."""

from __future__ import annotations

from typing import NamedTuple

from histoseg.contracts import Array
from histoseg.engine.slides.settings import Settings
from histoseg.errors import UnreadableFileError
from histoseg.slides import IMAGE_SUFFIXES, Slide, SlideEntry, open_slide, read_image
from histoseg.slides.frame import SNAP

PLAIN = ("picture", "tifffile")
"""Readers of files that may be a picture and no slide."""


class Picture(NamedTuple):
    """Pixels (H, W, 3), uint8, and their size in micrometres; None where nothing says it."""

    pixels: Array
    mpp: float | None


def small_picture(entry: SlideEntry, settings: Settings) -> Picture | None:
    """A file as a picture; None if it is a slide, or too large to be one region.

    A file with one level that is not of a scanner's format is a picture.

    Raises:
        UnreadableFileError: If it cannot be read.
        ValueError: If the given resolution is not plausible.
    """
    given = entry.mpp or settings.mpp
    try:
        slide = _open(entry, settings)
    except UnreadableFileError:
        if entry.path.suffix.lower() not in IMAGE_SUFFIXES:
            raise
        return Picture(read_image(entry.path), given)  # of a depth that slides do not have
    with slide:
        if not _is_flat(slide):
            return None
        mpp, model_mpp = slide.mpp and sum(slide.mpp) / 2, settings.model_mpp
        scale = mpp / model_mpp if mpp and model_mpp else 1.0
        if max(slide.size) * scale > settings.region:
            return None
    if given is None and abs(scale - 1) <= SNAP:
        mpp = None
    return Picture(read_image(entry.path), mpp)


def is_flat(entry: SlideEntry, settings: Settings) -> bool:
    """Whether a file is a picture, of which the resolution may be taken for the model's."""
    with _open(entry, settings) as slide:
        return _is_flat(slide)


def _open(entry: SlideEntry, settings: Settings) -> Slide:
    return open_slide(entry.path, entry.mpp or settings.mpp, entry.magnification)


def _is_flat(slide: Slide) -> bool:
    return len(slide.levels) == 1 and slide.reader.startswith(PLAIN)
