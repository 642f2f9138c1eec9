from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides.box import Box
from histoseg.slides.pixels import to_uint8

SLIDE_CLASS = "1.2.840.10008.5.1.4.1.1.77.1.6"  # VL Whole Slide Microscopy Image Storage
_NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}
_IMPLICIT = "1.2.840.10008.1.2"
_JPEG = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
_DECODERS: dict[str, Callable[..., Array]] = {
    **dict.fromkeys(_JPEG, imagecodecs.jpeg8_decode),
    **{f"1.2.840.10008.1.2.4.{n}": imagecodecs.jpegls_decode for n in (80, 81)},
    **{f"1.2.840.10008.1.2.4.{n}": imagecodecs.jpeg2k_decode for n in (90, 91, 201, 202, 203)},
}
_COLOURS = {"MONOCHROME1": 1, "MONOCHROME2": 1, "RGB": 3, "YBR_ICT": 3, "YBR_RCT": 3}
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF


def read_header(path: Path) -> pydicom.Dataset:
    """What a DICOM file says before its pixels.

    Raises:
        UnreadableFileError: If it is no DICOM file.
    """
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, EOFError, ValueError, struct.error) as error:
        raise UnreadableFileError(f"{path} cannot be read as DICOM: {error}") from error


def is_level(path: Path, series: str) -> bool:
    """Whether a file holds a level of the slide that a series is; not its label, not its macro."""
    try:
        header = pydicom.dcmread(
            path, specific_tags=["SOPClassUID", "SeriesInstanceUID", "ImageType"],
            stop_before_pixels=True,
        )  # fmt: skip
    except (InvalidDicomError, OSError, EOFError, ValueError, struct.error):
        return False
    return bool(
        header.get("SOPClassUID") == SLIDE_CLASS
        and header.get("SeriesInstanceUID") == series
        and "VOLUME" in (header.get("ImageType") or [])
    )


class DicomFrames:
    """The frames (tiles) of one DICOM file, decoded one by one.

    Args:
        path: A whole slide microscopy image.

    Attributes:
        height: Of the whole picture, pixels.
        width: Of the whole picture.
        spacing_mm: Between rows and between columns, as the file says it.
        magnification: Of the objective; None where the file does not say it.

    Raises:
        UnreadableFileError: If it is cut short or stored in a way that is not known.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._file = path.open("rb")
        try:
            header = pydicom.dcmread(self._file, stop_before_pixels=True)
            self._describe(header)
            self._spans = self._find_frames(header)
            self._places = self._find_places(header)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def touched(self, box: Box) -> Iterator[tuple[Box, int]]:
        """Place and number of each frame that a box touches."""
        first_row, first_column = box.top // self._rows, box.left // self._columns
        for row in range(first_row, -(-box.bottom // self._rows)):
            for column in range(first_column, -(-box.right // self._columns)):
                frame = self._places.get((row, column))
                if frame is not None:  # TILED_SPARSE leaves out what was not scanned
                    top, left = row * self._rows, column * self._columns
                    yield Box(left, top, left + self._columns, top + self._rows), frame

    def decode(self, frame: int) -> Array:
        """A frame as colours: (rows, columns, 3), uint8."""
        start, size = self._spans[frame]
        with self._lock:
            self._file.seek(start)
            data = self._file.read(size)
        if self._syntax in _NATIVE:
            flat = np.frombuffer(data, self._dtype)
            samples = self._unpacked(flat)
        else:
            samples = self._decoder(data).reshape(self._rows, self._columns, -1)
        rgb = to_uint8(samples, self._bits, self._bits)
        rgb = 255 - rgb if self._kind == "MONOCHROME1" else rgb
        return np.repeat(rgb, 3, axis=-1) if rgb.shape[-1] == 1 else np.ascontiguousarray(rgb)

    def _describe(self, header: pydicom.Dataset) -> None:
        self.height = int(header.TotalPixelMatrixRows)
        self.width = int(header.TotalPixelMatrixColumns)
        self._rows, self._columns = int(header.Rows), int(header.Columns)
        self._syntax = str(header.file_meta.TransferSyntaxUID)
        self._kind = str(header.PhotometricInterpretation)
        self._bits = int(header.BitsStored)
        self._dtype = np.dtype(np.uint8 if header.BitsAllocated == 8 else "<u2")
        self._samples = int(header.SamplesPerPixel)
        self._planar = bool(header.get("PlanarConfiguration", 0))
        shared = (header.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
        measures = (shared.get("PixelMeasuresSequence") or [pydicom.Dataset()])[0]
        spacing = measures.get("PixelSpacing")
        self.spacing_mm = None if not spacing else (float(spacing[0]), float(spacing[1]))
        optics = (header.get("OpticalPathSequence") or [pydicom.Dataset()])[0]
        power = optics.get("ObjectiveLensPower")
        self.magnification = None if power is None else float(power)
        self._refuse_unknown(header)

    def _refuse_unknown(self, header: pydicom.Dataset) -> None:
        jpeg = self._syntax in _JPEG and self._kind in ("YBR_FULL", "YBR_FULL_422")
        if not jpeg and self._kind not in _COLOURS:
            raise UnreadableFileError(
                f"{self._path} stores its colours as {self._kind}, expected gray or RGB: convert it"
            )
        if self._syntax not in _NATIVE and self._syntax not in _DECODERS:
            raise UnreadableFileError(
                f"{self._path} has the transfer syntax {self._syntax}, expected none, JPEG, JPEG-LS"
                " or JPEG 2000: convert it"
            )
        if "ConcatenationUID" in header:
            raise UnreadableFileError(
                f"{self._path} is a part of a picture that was split over several files"
                " (concatenation): join them"
            )
        planes = int(header.get("TotalPixelMatrixFocalPlanes", 1))
        paths = len(header.get("OpticalPathSequence") or [None])
        if planes > 1 or paths > 1:
            raise UnreadableFileError(
                f"{self._path} has {planes} focal planes and {paths} optical paths, expected one"
                " of each: save the wanted one as a slide of its own"
            )

    def _decoder(self, data: bytes) -> Array:
        decode = _DECODERS[self._syntax]
        if self._syntax not in _JPEG or self._samples == 1:
            return np.asarray(decode(data))
        stored = "RGB" if self._kind == "RGB" or _is_aperio_rgb(data) else "YCBCR"
        return np.asarray(decode(data, colorspace=stored, outcolorspace="RGB"))

    def _unpacked(self, flat: Array) -> Array:
        if self._planar and self._samples > 1:
            return flat.reshape(self._samples, self._rows, self._columns).transpose(1, 2, 0)
        return flat.reshape(self._rows, self._columns, self._samples)

    def _find_places(self, header: pydicom.Dataset) -> dict[tuple[int, int], int]:
        """Number of the frame at each (row, column) of the grid of tiles."""
        columns = -(-self.width // self._columns)
        frames = header.get("PerFrameFunctionalGroupsSequence")
        if header.get("DimensionOrganizationType") == "TILED_FULL" or not frames:
            return {divmod(i, columns): i for i in range(len(self._spans))}
        places = {}
        for number, groups in enumerate(frames):
            at = groups.PlanePositionSlideSequence[0]
            top = int(at.RowPositionInTotalImagePixelMatrix) - 1
            left = int(at.ColumnPositionInTotalImagePixelMatrix) - 1
            if top % self._rows or left % self._columns:
                raise UnreadableFileError(
                    f"{self._path}: frame {number + 1} starts at row {top}, column {left}, which is"
                    f" no multiple of {self._rows} x {self._columns}: convert it to TILED_FULL"
                )
            places[top // self._rows, left // self._columns] = number
        return places

    def _find_frames(self, header: pydicom.Dataset) -> list[tuple[int, int]]:
        """Where each frame begins in the file, and its bytes."""
        count = int(header.get("NumberOfFrames", 1))
        size = self._path.stat().st_size
        start, length = _pixel_data(self._file, self._syntax == _IMPLICIT)
        if length != _UNDEFINED:
            each = self._rows * self._columns * self._samples * self._dtype.itemsize
            stored = min(count, max(0, size - start) // each)
            spans = [(start + i * each, each) for i in range(stored)]
        else:
            spans = _encapsulated(self._file, start, count, size)
        full = -(-self.width // self._columns) * -(-self.height // self._rows)
        tiled_full = header.get("DimensionOrganizationType") == "TILED_FULL"
        if (
            len(spans) != count
            or (tiled_full and count != full)
            or not spans
            or sum(spans[-1]) > size
        ):
            raise UnreadableFileError(
                f"{self._path} is truncated or damaged: {size} bytes, {len(spans)} of {count}"
                f" frames found, {full} expected; copy or export it again"
            )
        return spans


def _is_aperio_rgb(jpeg: bytes) -> bool:
    """Whether a frame was copied from an Aperio file whose JPEG tiles hold red, green and blue.

    Converters declare them YBR_FULL all the same. They have neither a JFIF nor an Adobe marker, the
    frame header comes first, and its components are numbered 0, 1, 2, not subsampled.
    """
    header = jpeg[2:21]  # FF C0, length, precision, height, width, 3, then (id, sampling, table)
    components = header[10:19:3] + header[11:19:3]
    return header[:2] == b"\xff\xc0" and components == b"\0\1\2\x11\x11\x11"


def _pixel_data(file: BinaryIO, implicit: bool) -> tuple[int, int]:
    """Where the value of Pixel Data begins, and its length; the file stands before the element."""
    head = file.read(8 if implicit else 12)
    if len(head) < 8 or head[:4] != b"\xe0\x7f\x10\x00":
        raise ValueError("there is no pixel data")
    (length,) = struct.unpack("<I", head[-4:])
    return file.tell(), length


def _encapsulated(file: BinaryIO, start: int, count: int, size: int) -> list[tuple[int, int]]:
    """Find frames that are stored as items; one item a frame, as slides have them."""
    file.seek(start)
    spans: list[tuple[int, int]] = []
    table = True  # the first item holds offsets, and may be empty
    while len(spans) < count:
        head = file.read(8)
        if head[:4] != _ITEM or len(head) < 8:
            break
        (length,) = struct.unpack("<I", head[4:])
        if not table:
            spans.append((file.tell(), length))
        table = False
        if file.tell() + length > size:
            break
        file.seek(length, 1)
    return spans
