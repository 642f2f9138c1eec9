from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from histoseg import __version__
from histoseg.contracts import Array, Predicted
from histoseg.errors import SlideError
from histoseg.ops.shapes import measure_shapes
from histoseg.writers.batches import at_full_size, batches, pixel_units
from histoseg.writers.extras import needs, of_extra
from histoseg.writers.files import result_path, whole_file

log = logging.getLogger(__name__)
NAMESPACE = uuid.UUID("0b0f7d5e-6f55-5c7b-8d53-1f0c6ff9a3b4")  # ours; any fixed one would do
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"  # VL Whole Slide Microscopy Image Storage


@of_extra("dicom", "highdicom", "pydicom")
def write_dicom_annotations(folder: Path, prediction: Predicted) -> list[Path]:
    """Write the nuclei of a DICOM slide as Microscopy Bulk Simple Annotations.

    One group a class, with its outlines along pixel edges in pixels of the whole slide (the total
    pixel matrix of its largest image), area and score. Identifiers and times follow from the slide
    and the nuclei's number, so the same result is the same file.

    The library builds the file in memory: some kilobytes a nucleus.

    Args:
        folder: Of all results; the file is ``dicom/{name}.dcm`` below it.
        prediction: Of a slide whose ``source`` is a DICOM file, or a folder of one series.

    Returns:
        The file; none where there are no nuclei, since the standard knows no empty one.

    Raises:
        MissingExtraError: If highdicom is not installed.
        OSError: If it cannot be written.
        SlideError: If the slide is not DICOM.

    Source:
        DICOM PS3.3, C.37.1.
    """
    highdicom = needs("highdicom", "dicom")
    logging.getLogger("highdicom").setLevel(logging.WARNING)  # it tells each attribute it copies
    path = result_path(folder, prediction.name, "dicom", ".dcm")
    image = _largest_image(prediction)
    groups = list(_groups(highdicom, prediction, image))
    if not groups:
        log.warning("%s has no nuclei: DICOM annotations cannot be empty", prediction.name)
        return []
    annotations = highdicom.ann.MicroscopyBulkSimpleAnnotations(
        source_images=[image],
        annotation_coordinate_type="2D",
        annotation_groups=groups,
        series_instance_uid=_uid(highdicom, image, "series"),
        series_number=1,
        sop_instance_uid=_uid(highdicom, image, "instance"),
        instance_number=1,
        manufacturer="histoseg",
        manufacturer_model_name="histoseg",
        software_versions=__version__,
        device_serial_number="0",
        content_label="NUCLEI",
    )
    _set_time(annotations, image)
    with whole_file(path) as file:
        annotations.save_as(file)
    return [path]


def _set_time(annotations: Any, image: Any) -> None:
    """Of the slide, not of now; of now where the slide tells none."""
    date = image.get("ContentDate") or image.get("StudyDate")
    time = image.get("ContentTime") or image.get("StudyTime")
    if not date or not time:
        return
    for name in ("Content", "InstanceCreation"):
        setattr(annotations, f"{name}Date", date)
        setattr(annotations, f"{name}Time", time)
    for equipment in annotations.ContributingEquipmentSequence:
        equipment.ContributionDateTime = f"{date}{time}"


def _largest_image(prediction: Predicted) -> Any:
    """Header of the largest image of the slide's series."""
    pydicom = needs("pydicom", "dicom")
    source = prediction.source
    if source is None or not source.exists():
        raise SlideError(f"{prediction.name} has no slide file: DICOM annotations refer to one")
    files = (
        sorted(source.iterdir()) if source.is_dir() else [source, *sorted(source.parent.glob("*"))]
    )
    images: list[Any] = []
    for file in files:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, OSError):
            if file == source:
                break
            continue
        if header.get("SOPClassUID") == SLIDE:
            images.append(header)
    if not images:
        raise SlideError(
            f"{source} is no DICOM slide, and DICOM annotations refer to one: leave out"
            " +writers=dicom for it"
        )
    series = [i for i in images if i.SeriesInstanceUID == images[0].SeriesInstanceUID]
    return max(series, key=lambda i: i.TotalPixelMatrixColumns * i.TotalPixelMatrixRows)


def _groups(highdicom: Any, prediction: Predicted, image: Any) -> Iterator[Any]:
    code = needs("pydicom.sr.coding", "dicom").Code
    names = dict(enumerate(prediction.classes, start=1))
    unit = {
        "µm": code("um2", "UCUM", "square micrometer"),
        "px": code("{pixels}", "UCUM", "pixels"),
    }
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="histoseg",
        version=__version__,
        family=code("123109", "DCM", "Artificial Intelligence"),
    )
    found = _by_class(prediction)
    for number, kind in enumerate(sorted(found), start=1):
        outlines, areas, scores = found[kind]
        measured = (
            (code("42798000", "SCT", "Area"), unit[pixel_units(prediction)[2]], areas),
            (code("score", "99HISTOSEG", "Score"), code("1", "UCUM", "no units"), scores),
        )
        yield highdicom.ann.AnnotationGroup(
            number=number,
            uid=_uid(highdicom, image, f"group {kind}"),
            label=names.get(kind, "nucleus"),
            annotated_property_category=code("91723000", "SCT", "Anatomical Structure"),
            annotated_property_type=code("84640000", "SCT", "Nucleus"),
            graphic_type="POLYGON",
            graphic_data=outlines,
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
            measurements=[
                highdicom.ann.Measurements(name=name, values=np.array(values), unit=of)
                for name, of, values in measured
            ],
        )


def _by_class(prediction: Predicted) -> dict[int, tuple[list[Array], list[float], list[float]]]:
    """Outlines, areas and scores of the nuclei of each class that has some."""
    found: dict[int, tuple[list[Array], list[float], list[float]]] = {}
    factor = pixel_units(prediction)[0]
    for nuclei, contours, rings in batches(prediction):
        points = at_full_size(rings.points_xy, prediction).astype(np.float32)
        rows = zip(
            nuclei.semantic.tolist() if prediction.classes else [0] * len(nuclei),
            pairwise(rings.offsets.tolist()),
            (measure_shapes(contours, rings).area * factor).tolist(),
            nuclei.score.tolist(),
            strict=True,
        )
        for kind, (start, end), area, score in rows:
            outlines, areas, scores = found.setdefault(kind, ([], [], []))
            outlines.append(points[start : end - 1])
            areas.append(area)
            scores.append(score)
    return found


def _uid(highdicom: Any, image: Any, what: str) -> Any:
    return highdicom.UID.from_uuid(str(uuid.uuid5(NAMESPACE, f"{image.SOPInstanceUID}/{what}")))
