"""Reading regions of a slide at the resolution of a model, as the engine does on one core.

The baseline reads the same regions with OpenSlide and, where the resolution differs, resizes them
with OpenCV (area). That is what other programs do; its pixels depend on the region they are in.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
import openslide
from _cases import report, seconds

from fakes import big_slide
from histoseg.contracts import Array
from histoseg.slides import Frame, Slide, open_slide
from histoseg.slides.segments import SegmentCache

SIDE, REGION = 8192, 2048


def main() -> None:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        big_slide.write(path, SIDE, share=1.0)  # islands keep apart, so glass stays
        with open_slide(path) as slide:
            for mpp in (0.25, 0.3, 0.5):
                frame = Frame.at(slide, mpp)
                plain, ours = seconds(
                    lambda frame=frame: by_openslide(path, frame),
                    lambda frame=frame: by_frame(slide, frame),
                    repeats=3,
                )
                mm2 = (SIDE * 0.25e-3) ** 2
                report(f"read a slide at {mpp} um/px", plain / mm2, ours / mm2, "s/mm2", goal=1.0)


def by_frame(slide: Slide, frame: Frame) -> None:
    slide._cache = SegmentCache()  # tiles decoded before must not help
    for x, y in corners(frame):
        frame.read(x, y, REGION, REGION, outside="mirror")


def by_openslide(path: Path, frame: Frame) -> None:
    with openslide.OpenSlide(path) as slide:
        downsample = slide.level_downsamples[frame.level]
        for x, y in corners(frame):
            corner = round(x * frame.scale[0]), round(y * frame.scale[1])
            side = round(REGION * frame.scale[0] / downsample)
            region: Array = np.asarray(slide.read_region(corner, frame.level, (side, side)))
            if side != REGION:
                cv2.resize(region[..., :3], (REGION, REGION), interpolation=cv2.INTER_AREA)


def corners(frame: Frame) -> list[tuple[int, int]]:
    """Top left of each region."""
    return [(x, y) for y in range(0, frame.height, REGION) for x in range(0, frame.width, REGION)]


if __name__ == "__main__":
    main()
