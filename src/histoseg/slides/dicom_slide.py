from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides.box import Box
from histoseg.slides.dicom_frames import DicomFrames, is_level, read_header
from histoseg.slides.resolution import Spacing, settle
from histoseg.slides.slide import WHITE, Slide

MICROMETRES_IN_MM = 1000.0


class DicomSlide(Slide):
    """A DICOM whole slide image: the levels of a series, each a file in the same folder.

    Reads what OpenSlide refuses: JPEG-LS, samples of more than 8 bits, gray, colours that are
    declared in another way than they are stored. One focal plane and one optical path.

    Args:
        path: Any file of the series.
        mpp: Micrometres per pixel, in place of what the file says.
        magnification: Of level 0, in place of what the file says.

    Raises:
        UnreadableFileError: If it is no slide, damaged, or stored in a way that is not known.
    """

    def __init__(
        self, path: Path, mpp: float | None = None, magnification: float | None = None
    ) -> None:
        self.path = path
        with self._open() as levels:
            first = levels.files[0]
            resolution = settle(
                path,
                _spacing(first),
                first.magnification,
                given=mpp,
                given_magnification=magnification,
            )
            sizes = [(file.height, file.width) for file in levels.files]
        super().__init__(path, sizes, resolution, reader="pydicom")

    def _open(self) -> _Levels:
        series = str(read_header(self.path).get("SeriesInstanceUID"))
        files: dict[tuple[int, int], DicomFrames] = {}
        try:
            self._collect(files, series)
        except Exception as error:
            _Levels(list(files.values())).close()
            if isinstance(error, UnreadableFileError | MemoryError):
                raise
            raise UnreadableFileError(
                f"{self.path} cannot be opened as a DICOM slide, a field of it is missing or wrong"
                f" ({error!r}): export it again"
            ) from error
        return _Levels([files[size] for size in sorted(files, reverse=True)])

    def _collect(self, files: dict[tuple[int, int], DicomFrames], series: str) -> None:
        """Open the levels of a series, by their size."""
        siblings = sorted(self.path.parent.iterdir())
        for path in [self.path, *siblings]:  # of copies of a level the given one counts
            if path.is_file() and is_level(path, series):
                file = DicomFrames(path)
                if files.setdefault((file.height, file.width), file) is not file:
                    file.close()
        if not files:
            raise UnreadableFileError(
                f"{self.path} belongs to a DICOM series without a picture of type VOLUME: give a"
                " file of a whole slide microscopy image"
            )

    def _read(self, level: int, box: Box) -> Array:
        file: DicomFrames = self._opened().files[level]
        result = np.full((box.height, box.width, 3), WHITE, np.uint8)
        for place, frame in file.touched(box):
            pixels = self._cache.get((level, frame), partial(file.decode, frame))
            part = place.clipped(box)
            result[part.slices(box)] = pixels[part.slices(place)]
        return result


class _Levels:
    def __init__(self, files: list[DicomFrames]) -> None:
        self.files = files

    def __enter__(self) -> _Levels:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for file in self.files:
            file.close()


def _spacing(file: DicomFrames) -> Spacing | None:
    if file.spacing_mm is None:
        return None
    down, right = file.spacing_mm
    return right * MICROMETRES_IN_MM, down * MICROMETRES_IN_MM
