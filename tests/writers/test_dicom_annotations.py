"""DICOM annotations, as highdicom reads them back."""

import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest

from histoseg.contracts import Prediction
from histoseg.errors import MissingExtraError, SlideError
from histoseg.writers import refuse_missing, write_dicom_annotations, write_parquet
from writers.drawn import CLASSES, hard_labels, prediction_of

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """The headers of a small slide of two levels, without pixels."""
    uid = pydicom.uid.generate_uid
    series, study, frame = uid(), uid(), uid()
    for number, (columns, rows) in enumerate([(30, 20), (60, 40)]):
        header = pydicom.Dataset()
        header.SOPClassUID, header.SOPInstanceUID = SLIDE, uid()
        header.SeriesInstanceUID, header.StudyInstanceUID = series, study
        header.FrameOfReferenceUID, header.PositionReferenceIndicator = frame, "SLIDE_CORNER"
        header.TotalPixelMatrixColumns, header.TotalPixelMatrixRows = columns, rows
        header.ContentDate, header.ContentTime = "20200102", "030405"
        header.StudyDate, header.StudyTime, header.AccessionNumber = "20200101", "010101", ""
        header.PatientID, header.PatientName, header.StudyID = "1", "A^B", ""
        header.PatientBirthDate = header.PatientSex = header.ReferringPhysicianName = ""
        header.ContainerIdentifier, header.ContainerTypeCodeSequence = "1", []
        header.IssuerOfTheContainerIdentifierSequence, header.SpecimenDescriptionSequence = [], []
        header.Modality, header.ImageType = "SM", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        header.file_meta = pydicom.dataset.FileMetaDataset()
        header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        header.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    return tmp_path / "0.dcm"


def write(folder: Path, prediction: Prediction) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of values in headers that we did not write
        (path,) = write_dicom_annotations(folder, prediction)
        return path.read_bytes(), highdicom.ann.annread(path)


def test_groups_are_classes_with_outlines_areas_and_scores(tmp_path: Path, slide: Path) -> None:
    prediction = prediction_of(hard_labels(), mpp=0.5, source=slide)
    found = prediction.instances
    content, annotations = write(tmp_path / "out", prediction)
    assert annotations.ReferencedImageSequence[0].ReferencedSOPInstanceUID == _largest(slide)
    groups = annotations.get_annotation_groups()
    assert [group.label for group in groups] == ["nucleus", *CLASSES]
    for kind, group in enumerate(groups):
        rows = np.flatnonzero(found.semantic == kind)
        outlines = group.get_graphic_data(coordinate_type="2D")
        _, values, units = group.get_measurements()
        assert units[0].value == "um2"
        np.testing.assert_allclose(values[:, 1], found.score[rows], rtol=1e-6)
        for row, outline, area in zip(rows, outlines, values[:, 0], strict=True):
            x0, y0, x1, y1 = found.box_xyxy[row]
            if found.ids[row] != 20:  # pixels that meet at corners only: one is outlined
                assert outline.min(axis=0).tolist() == [x0, y0]
                assert outline.max(axis=0).tolist() == [x1, y1]
                assert area == (found.labels == found.ids[row]).sum() / 4
    assert write(tmp_path / "again", prediction)[0] == content, "the same result, the same file"


def _largest(slide: Path) -> str:
    import pydicom

    return str(pydicom.dcmread(slide.with_name("1.dcm")).SOPInstanceUID)


def test_what_cannot_be_annotated(tmp_path: Path, slide: Path) -> None:
    (tmp_path / "a.svs").write_bytes(b"II*\0")
    for source, said in ((None, "no slide file"), (tmp_path / "a.svs", "no DICOM slide")):
        with pytest.raises(SlideError, match=said):
            write_dicom_annotations(tmp_path, prediction_of(hard_labels(), source=source))
    empty = prediction_of(np.zeros((9, 9), int), source=slide)
    assert write_dicom_annotations(tmp_path / "out", empty) == [], "no nuclei are no error"


@pytest.mark.parametrize(
    ("write_", "module", "extra"),
    [(write_dicom_annotations, "highdicom", "dicom"), (write_parquet, "pyarrow", "parquet")],
)
def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_: Any, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'histoseg\[{extra}\]'"):
        write_(tmp_path, prediction_of(hard_labels()))
    with pytest.raises(MissingExtraError, match=module):
        refuse_missing(partial(write_))
    assert not list(tmp_path.iterdir())
