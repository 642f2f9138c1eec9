"""A small DICOM whole slide image."""

from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

from fakes.arrays import shrunk
from histoseg.contracts import Array
from histoseg.slides.dicom_frames import SLIDE_CLASS

TILE = 32


def write(
    folder: Path,
    image: Array | None = None,
    *,
    levels: int = 1,
    label: bool = False,
    sparse: bool = False,
    compressed: bool = False,
    prefix: str = "level",
    spacing: float | None = 0.00025,
) -> list[Path]:
    """Write a series, of a sparse one without its first tile; the paths, largest level first."""
    if image is None:
        image = np.random.default_rng(0).integers(0, 256, (100, 130, 3), dtype=np.uint8)
    series = generate_uid()
    paths = []
    for number in range(levels):
        paths.append(folder / f"{prefix}{number}.dcm")
        _write_one(
            paths[-1],
            shrunk(image, 2**number),
            series,
            "VOLUME",
            sparse,
            compressed,
            spacing and spacing * 2**number,
        )
    if label:
        _write_one(
            folder / f"{prefix}_label.dcm", image[:20, :20], series, "LABEL", False, False, 1
        )
    return paths


def _write_one(
    path: Path,
    image: Array,
    series: str,
    kind: str,
    sparse: bool,
    compressed: bool,
    spacing: float | None,
) -> None:
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID = UID(SLIDE_CLASS), generate_uid()
    data.SeriesInstanceUID = series
    data.ImageType = ["ORIGINAL", "PRIMARY", kind, "NONE"]
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = image.shape[:2]
    data.Rows = data.Columns = TILE
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PhotometricInterpretation = "RGB"
    measures, shared = pydicom.Dataset(), pydicom.Dataset()
    if spacing:
        measures.PixelSpacing = [spacing, spacing]
    shared.PixelMeasuresSequence = Sequence([measures])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    places, tiles = _tiles(image)
    data.DimensionOrganizationType = "TILED_SPARSE" if sparse else "TILED_FULL"
    if sparse:
        places, tiles = places[:0:-1], tiles[:0:-1]
        data.PerFrameFunctionalGroupsSequence = Sequence([_position(*place) for place in places])
    data.NumberOfFrames = len(tiles)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = JPEG2000Lossless if compressed else ExplicitVRLittleEndian
    if compressed:
        frames = [imagecodecs.jpeg2k_encode(tile, level=0, codecformat="j2k") for tile in tiles]
        data.PixelData = encapsulate(frames, has_bot=False)
        data["PixelData"].is_undefined_length = True
    else:
        data.PixelData = b"".join(tile.tobytes() for tile in tiles)
    data.save_as(path, enforce_file_format=True)


def _tiles(image: Array) -> tuple[list[tuple[int, int]], list[Array]]:
    height, width = (-(-n // TILE) * TILE for n in image.shape[:2])
    padded = np.full((height, width, 3), 255, np.uint8)
    padded[: image.shape[0], : image.shape[1]] = image
    places = [(y, x) for y in range(0, height, TILE) for x in range(0, width, TILE)]
    return places, [np.ascontiguousarray(padded[y : y + TILE, x : x + TILE]) for y, x in places]


def _position(top: int, left: int) -> pydicom.Dataset:
    place, groups = pydicom.Dataset(), pydicom.Dataset()
    place.RowPositionInTotalImagePixelMatrix = top + 1
    place.ColumnPositionInTotalImagePixelMatrix = left + 1
    groups.PlanePositionSlideSequence = Sequence([place])
    return groups
