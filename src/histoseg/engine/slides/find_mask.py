"""Where on a slide to look: found, drawn by the user, or everywhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from histoseg.annotations import DRAWING_SUFFIXES, read_drawing
from histoseg.errors import SlideError
from histoseg.slides import IMAGE_SUFFIXES, Slide, SlideEntry, TissueFinder, TissueMask

STEP_UM = 8.0
"""Micrometres per pixel of a mask that is made of drawn regions."""
STEP = 32.0
"""Level-0 pixels per pixel of it, where the resolution is unknown."""
AUTO, NONE = "auto", "none"


def mask_file(entry: SlideEntry, tissue: str) -> Path | None:
    """The file that says where to look on a slide; None where there is none.

    Args:
        entry: Its own mask counts first.
        tissue: ``auto``, ``none``, a folder with a picture or drawing named as the slide, or a file
            for all slides.

    Raises:
        SlideError: If there is no such folder or file, or nothing for this slide.
    """
    if entry.mask is not None:
        return entry.mask
    if tissue in (AUTO, NONE):
        return None
    path = Path(tissue)
    if path.is_file():
        return path
    if not path.is_dir():
        raise SlideError(
            f"tissue={tissue}: there is no such file or folder (seen from {Path.cwd()}): expected"
            f" {AUTO}, {NONE}, a folder of masks, or a file of regions"
        )
    for suffix in (*IMAGE_SUFFIXES, *DRAWING_SUFFIXES):
        if (path / f"{entry.name}{suffix}").is_file():
            return path / f"{entry.name}{suffix}"
    raise SlideError(
        f"the folder {path} has no mask for {entry.path}: expected {entry.name}.png, or regions as"
        f" {entry.name}.geojson"
    )


def find_mask(slide: Slide, file: Path | None, tissue: str) -> TissueMask:
    """Where to look on a slide.

    Args:
        slide: Which.
        file: As of `mask_file`.
        tissue: Without a file: ``auto`` or ``none``.

    Raises:
        SlideError: If a mask does not fit the slide, or there are no regions.
        UnreadableFileError: If it cannot be read.
    """
    if file is None:
        return TissueFinder()(slide) if tissue == AUTO else TissueMask.everywhere(slide.size)
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return TissueMask.from_file(file, slide.size)
    shapes = [s for s in read_drawing(file, slide.name).shapes if s.kind == "polygon"]
    if not shapes:
        raise SlideError(f"{file} has no regions: expected polygons around what is wanted")
    # QuPath counts from the corner of the scanned part
    json = ".json" in file.suffixes or ".geojson" in file.suffixes
    corner = np.array(slide.bounds[:2] if json else (0, 0))
    step = STEP if slide.mpp is None else max(1.0, STEP_UM / max(slide.mpp))
    regions = [[ring + corner for ring in (s.exterior_xy, *s.holes_xy)] for s in shapes]
    return TissueMask.from_regions(regions, slide.size, step)


def mask_stamp(file: Path | None, tissue: str) -> str:
    """Says when a mask is another: the content of the file, or how tissue is found."""
    if file is not None:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return repr(TissueFinder()) if tissue == AUTO else tissue
