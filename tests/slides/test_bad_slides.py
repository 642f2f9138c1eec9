import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile

from fakes import dicom, slides
from fakes.arrays import ArraySlide
from histoseg.errors import UnreadableFileError
from histoseg.slides import open_slide

RGB = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)


def cut(write: Callable[[Path], object], share: float) -> Callable[[Path], object]:
    def shortened(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return shortened


def huge(path: Path) -> None:
    """A header that promises 4e9 x 4e9 pixels and lists one tile."""
    entries = [
        (256, 4, 4_000_000_000),
        (257, 4, 4_000_000_000),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (277, 3, 1),
        (322, 3, 256),
        (323, 3, 256),
        (324, 4, 8),
        (325, 4, 100),
    ]
    ifd = struct.pack("<H", len(entries))
    ifd += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    path.write_bytes(b"II*\0" + struct.pack("<I", 108) + bytes(100) + ifd + bytes(4))


def wide_strip(path: Path) -> None:
    """A header that promises 60,000 x 60,000 pixels in one compressed strip."""
    tifffile.imwrite(path, RGB, photometric="rgb", compression="deflate")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tif.pages[0].tags[tag].overwrite(60_000)


def without_field(path: Path) -> None:
    first_dicom(path)
    header = pydicom.dcmread(path)
    del header.TotalPixelMatrixRows
    header.save_as(path)


def many_frames(path: Path) -> None:
    first_dicom(path)
    header = pydicom.dcmread(path)
    header.NumberOfFrames = header.TotalPixelMatrixRows = 1_000_000
    header.save_as(path)


def without_height(path: Path) -> None:
    tifffile.imwrite(path, RGB, photometric="rgb", **slides.TILED)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags["ImageLength"].overwrite(0)


def first_dicom(path: Path) -> None:
    dicom.write(path.parent, RGB)[0].rename(path)


def not_a_level(path: Path) -> None:
    dicom.write(path.parent, RGB, label=True)
    (path.parent / "level_label.dcm").rename(path)
    (path.parent / "level0.dcm").unlink()


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be opened: No such file"),
    "empty": (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
    "folder": (lambda path: path.mkdir(), r"is a folder.*\.mrxs"),
    "text": (lambda path: path.write_text("x" * 300), "no slide or picture of a known kind"),
    "svs cut short": (cut(lambda path: slides.svs(path, RGB), 0.5), "OpenSlide|damaged|truncated"),
    "tiff cut short": (cut(lambda p: slides.flat(tile=(32, 32))(p, RGB), 0.6), "truncated"),
    "head only": (cut(lambda path: slides.ome(path, RGB), 0.001), "45 tiles or strips and lists"),
    "dicom cut short": (
        cut(first_dicom, 0.6),
        "cannot be read at .* level 0.*truncated or damaged",
    ),
    "dicom head only": (
        cut(first_dicom, 0.002),
        "cannot be read at .* level 0.*truncated or damaged",
    ),
    "dicom label": (not_a_level, "without a picture of type VOLUME"),
    "huge header": (huge, r"4000000000 x 4000000000 pixels in \d+ tiles or strips and lists 1"),
    "one huge strip": (wide_strip, "one tile or strip has 60000 x 60000 pixels"),
    "dicom without a field": (without_field, "a field of it is missing or wrong"),
    "dicom with too many frames": (many_frames, "truncated or damaged"),
    "no rows": (without_height, "x 0|at least one pixel|damaged|no picture"),
    "stack": (
        lambda path: tifffile.imwrite(path, np.stack([RGB] * 3), photometric="rgb"),
        "stack",
    ),
    "z planes": (
        lambda path: tifffile.imwrite(
            path, np.stack([RGB] * 2), photometric="rgb", ome=True, metadata={"axes": "ZYXS"}
        ),
        "is a stack: .* axes ZYXS",
    ),
    "five channels": (
        lambda path: tifffile.imwrite(
            path, np.zeros((5, 64, 64), np.uint8), ome=True, metadata={"axes": "CYX"}
        ),
        "5 channels",
    ),
    "signed": (
        lambda path: tifffile.imwrite(path, RGB[..., 0].astype(np.int16)),
        "samples are int16",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_slide_is_refused_by_name(tmp_path: Path, case: str) -> None:
    write, message = CASES[case]
    path = tmp_path / "slide.xyz"
    write(path)
    with pytest.raises(UnreadableFileError, match=message) as caught:
        open_slide(path)
    assert "slide.xyz" in str(caught.value)


def damaged(path: Path, write: Callable[[Path, np.ndarray], object]) -> None:
    """Zeros over the pixels of the first page, headers untouched."""
    write(path, RGB)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0].aspage()
        spans = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    content = bytearray(path.read_bytes())
    for start, size in spans[5:]:
        content[start : start + size] = bytes(size)
    path.write_bytes(content)


@pytest.mark.parametrize("write", [slides.svs, slides.ome], ids=["svs", "ome"])
def test_damage_is_met_where_it_is(
    tmp_path: Path, write: Callable[[Path, np.ndarray], object]
) -> None:
    damaged(tmp_path / "slide.tif", write)
    with open_slide(tmp_path / "slide.tif") as slide:
        for _ in range(2):
            np.testing.assert_array_equal(slide.read(0, 0, 90, 60), RGB[:60, :90])
            with pytest.raises(UnreadableFileError, match=r"slide\.tif cannot be read at.*level 0"):
                slide.read(100, 200, 200, 100)


def test_a_level_without_pixels_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match=r"levels of .*\(0, 0\).*at least one pixel"):
        ArraySlide(RGB[:3, :3], factors=(1, 4))


def test_a_file_that_goes_away_is_said_by_name(tmp_path: Path) -> None:
    slides.ome(tmp_path / "slide.tif", RGB)
    slide = open_slide(tmp_path / "slide.tif")
    slide.close()
    (tmp_path / "slide.tif").unlink()
    with pytest.raises(UnreadableFileError, match=r"slide\.tif"):
        slide.read(0, 0, 5, 5)
