"""ImageJ's regions of interest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from roifile import ROI_COLOR_NONE, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from histoseg.annotations.collect import Collector, Said
from histoseg.annotations.container import read_bytes, zip_members
from histoseg.annotations.drawing import Drawing
from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError

OUTLINES = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
NOTES = (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE)


def read_imagej(path: Path) -> Drawing:
    """Read one ``.roi`` or a zip of them, as the ROI Manager saves it.

    Polygons, freehand and traced outlines, ovals, rectangles (rounded ones with their corners) and
    composites of straight lines are areas; points stay points; lines and text are dropped. The
    label is "group 3" of the ROI's group, where it has one; the colour that of its stroke.
    Positions in a stack are not looked at.

    Coordinates are corners of pixels, (0, 0) the upper left one of the first, so 0.5 is subtracted:
    a traced outline gives exactly the pixels that were traced.

    Args:
        path: The file.

    Returns:
        Its regions; no size and no mpp, the format has none.

    Raises:
        UnreadableFileError: If it is not of this kind, or a member of the zip is damaged.
    """
    content = read_bytes(path)
    members = [("", content)] if content[:4] == b"Iout" else list(zip_members(path, (".roi",)))
    found = Collector()
    for name, data in members:
        try:
            _check_whole(data)
            roi = ImagejRoi.frombytes(data)
            rings = _rings(roi)
        except NotImplementedError:
            found.drop(name, "a composite with curves: turn it into polygons in ImageJ")
            continue
        except Exception as error:  # roifile lets struct, type, value and index errors through
            place = f", member {name}" if name else ""
            raise UnreadableFileError(
                f"{path}{place}: not an ImageJ ROI, or damaged ({error}): save it again"
            ) from error
        _add(found, name or path.name, roi, rings)
    return found.drawing()


def _check_whole(data: bytes) -> None:
    """Refuse a region whose second header, which has the group, was cut off."""
    second = int.from_bytes(data[60:64], "big", signed=True)
    if len(data) >= 64 and second > len(data) - 52:
        raise ValueError(f"cut short at {len(data)} bytes")


def _rings(roi: ImagejRoi) -> list[Array]:
    if roi.subpixelrect and roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL) and not roi.composite:
        x, y, w, h = roi.xd, roi.yd, roi.widthd, roi.heightd
        return [np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])]
    if roi.roitype == ROI_TYPE.OVAL:
        x0, y0, x1, y1 = roi.left, roi.top, roi.right, roi.bottom
        return [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)]
    return [np.asarray(ring, dtype=np.float64) for ring in roi.coordinates(multi=True)]


def _add(found: Collector, where: str, roi: ImagejRoi, rings: list[Array]) -> None:
    said = Said(label=f"group {roi.group}" if roi.group else None, colour=_colour(roi))
    if roi.subtype in NOTES or not rings or not len(rings[0]):
        found.drop(where, f"a {roi.roitype.name.lower()} without area")
    elif roi.roitype == ROI_TYPE.OVAL:
        found.ellipse(where, rings[0], **said)
    elif roi.roitype in OUTLINES or roi.roitype == ROI_TYPE.RECT:
        # traced outlines and composites may touch themselves at corners of pixels
        exact = roi.composite or roi.roitype == ROI_TYPE.TRACED
        found.polygon(where, rings, check=not exact, **said)
    elif roi.roitype == ROI_TYPE.POINT:
        found.points(where, rings[0], **said)
    else:
        found.line(where, rings[0], **said)


def _colour(roi: ImagejRoi) -> tuple[int, int, int] | None:
    if roi.stroke_color == ROI_COLOR_NONE:
        return None
    code = str(roi.hexcolor(roi.stroke_color))
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
