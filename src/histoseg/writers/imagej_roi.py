from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from roifile import ROI_TYPE, ImagejRoi

from histoseg.contracts import Predicted
from histoseg.writers.batches import at_full_size, batches
from histoseg.writers.files import result_path, whole_file

GROUPS = 255  # of ImageJ; 0 is none


def write_imagej_roi(folder: Path, prediction: Predicted) -> Path:
    """Write the nuclei as a zip of traced outlines for ImageJ's ROI Manager.

    Outlines run along pixel edges, of a slide in pixels at full size. The group is the number of
    the class, the stroke has its colour, the name is "17 neoplastic": id and class. Holes are not
    outlined.

    Args:
        folder: Of all results; the file is ``imagej/{name}.zip`` below it.
        prediction: Of an image or slide. The directory of a zip is in memory until it is written:
            some hundred bytes a nucleus.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    path = result_path(folder, prediction.name, "imagej", ".zip")
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, roi in _regions(prediction):
            # an entry without a time: the same result is the same file
            archive.writestr(zipfile.ZipInfo(f"{key:06d}.roi"), roi.tobytes())
    return path


def _regions(prediction: Predicted) -> Iterator[tuple[int, ImagejRoi]]:
    for nuclei, _, rings in batches(prediction):
        points = at_full_size(rings.points_xy, prediction)
        rows = zip(
            nuclei.ids.tolist(),
            nuclei.semantic.tolist(),
            pairwise(rings.offsets.tolist()),
            strict=True,
        )
        for key, kind, (first, end) in rows:
            roi = ImagejRoi.frompoints(points[first : end - 1], name=str(key))
            roi.roitype = ROI_TYPE.TRACED
            roi.version = 228  # the first with groups
            if kind and prediction.classes:
                roi.name = f"{key} {prediction.classes[kind - 1]}"
                roi.group = min(kind, GROUPS)
                roi.stroke_color = bytes((255, *prediction.colours[kind - 1]))
            yield key, roi
