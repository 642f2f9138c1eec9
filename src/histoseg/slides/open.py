from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import openslide

from histoseg.errors import UnreadableFileError
from histoseg.slides.dicom_slide import DicomSlide
from histoseg.slides.image import PILLOW_STARTS, TIFF_STARTS
from histoseg.slides.openslide_file import OpenSlideFile
from histoseg.slides.plain_picture import PlainPicture
from histoseg.slides.slide import Slide
from histoseg.slides.tiff_slide import TiffSlide, TurnedTiffError

log = logging.getLogger(__name__)
Reader = Callable[[Path, float | None, float | None], Slide]
DICOM_START = b"DICM"  # at byte 128


def open_slide(
    path: str | Path, mpp: float | None = None, magnification: float | None = None
) -> Slide:
    """Open a slide or a picture, whatever its suffix says.

    Scanners' own formats and DICOM go to OpenSlide; TIFF and OME-TIFF, and what OpenSlide refuses
    of it, to tifffile; what it refuses of DICOM to pydicom; PNG, JPEG and BMP are read whole.
    Colour profiles are not applied.

    Args:
        path: The file; of a DICOM slide any of its files, of MIRAX the ``.mrxs``.
        mpp: Micrometres per pixel of level 0, in place of what the file says.
        magnification: Of level 0, in place of what the file says: 40 stands for 0.25 µm/px.

    Returns:
        The slide; close it, or use it in a ``with``.

    Raises:
        UnreadableFileError: If it is missing, empty, damaged or of an unknown kind.
        ValueError: If ``mpp`` or ``magnification`` is not plausible.
    """
    path = Path(path)
    refused: list[UnreadableFileError] = []
    for reader in _readers(path):
        try:
            slide = reader(path, mpp, magnification)
        except UnreadableFileError as error:
            refused.append(error)
            continue
        for refusal in refused:
            log.info("%s; read by %s", refusal, slide.reader)
        return slide
    if len(refused) == 1:
        raise refused[0]
    raise UnreadableFileError(". ".join(str(error) for error in refused))


def _readers(path: Path) -> list[Reader]:
    """What may read a file, the best first."""
    head = _head(path)
    own: list[Reader] = []
    if head.startswith(TIFF_STARTS):
        own = [_open_tiff]
    elif head[128:132] == DICOM_START:
        own = [DicomSlide]
    elif head.startswith(tuple(PILLOW_STARTS)):
        own = [PlainPicture]
    vendor = openslide.OpenSlide.detect_format(path)
    if vendor is not None and vendor != "generic-tiff":
        return [OpenSlideFile, *own]
    if not own:
        raise UnreadableFileError(
            f"{path} ({path.stat().st_size} bytes) is no slide or picture of a known kind (it"
            f" starts with {head[:8]!r}): convert it, for example to OME-TIFF"
        )
    return own


def _open_tiff(path: Path, mpp: float | None, magnification: float | None) -> Slide:
    try:
        return TiffSlide(path, mpp, magnification)
    except TurnedTiffError:
        return PlainPicture(path, mpp, magnification)


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise UnreadableFileError(
            f"{path} is a folder: give the file in it, or for MIRAX the .mrxs file beside it"
        )
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}") from error
    if not head:
        raise UnreadableFileError(f"{path} is empty (0 bytes): copy or export it again")
    return head
