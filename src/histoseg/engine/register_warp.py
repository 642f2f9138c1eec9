"""Pictures of the moving frame in the fixed frame, part by part from the file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm import tqdm

from histoseg.contracts import Array
from histoseg.registration import (
    Transform,
    boxes,
    inside,
    is_bright,
    parts_of,
    reader,
    sample,
    sources,
)
from histoseg.slides import Frame, Slide
from histoseg.writers import write_png, write_pyramid_tiff

Box = tuple[int, int, int, int]  # left, top, width, height
FINER = 1.5
"""A moving picture so much finer than the fixed one is shrunk by means of areas first."""
LARGE = 2**26
"""Pixels of a picture that is written as OME-TIFF and not as PNG."""
THUMBNAIL = 512
WHITE = 255


class Warped(Protocol):
    """A picture as it lies in the fixed frame."""

    def part(self, box: Box) -> Array:
        """Pixels of a rectangle of the fixed frame."""


@dataclass(frozen=True)
class WarpedPicture:
    """A picture of the moving frame, bilinear.

    Attributes:
        frame: It, shrunk where it is much finer than the fixed picture.
        transform: From the fixed to the moving picture, full pixels.
        fill: Value beyond its border: 255 for light pictures, 0 for dark ones.
    """

    frame: Frame
    transform: Transform
    fill: int

    @classmethod
    def of(cls, slide: Slide, transform: Transform, coarser: float = 1.0) -> WarpedPicture:
        """Make one.

        Args:
            slide: The picture.
            transform: From the fixed picture.
            coarser: Pixels of the fixed picture per pixel wanted, for previews.
        """
        zoom = parts_of(transform.matrix)[1] * coarser
        frame = Frame.scaled(slide, zoom if zoom > FINER else 1.0)
        return cls(frame, transform, WHITE * is_bright(slide.thumbnail(THUMBNAIL)))

    def part(self, box: Box) -> Array:
        """Pixels of a rectangle of the fixed frame: (height, width, 3), uint8."""
        return self.at(sources(self._points, box))

    def at(self, where: Array) -> Array:
        """Pixels at points (h, w, 2) of the frame."""
        return sample(self.frame.read, self.frame.size, where, fill=self.fill)

    def _points(self, points_xy: Array) -> Array:
        return self.frame.from_level0(self.transform.points(points_xy))


@dataclass(frozen=True)
class WarpedLabels:
    """A label picture of the moving frame, nearest pixel.

    Attributes:
        labels: (h, w) or (h, w, 3).
        transform: From the fixed to the moving picture, full pixels.
    """

    labels: Array
    transform: Transform

    def part(self, box: Box) -> Array:
        """Pixels of a rectangle of the fixed frame, of the type of ``labels``; 0 beyond them."""
        where = sources(self.transform.points, box)
        size = self.labels.shape[0], self.labels.shape[1]
        return sample(reader(self.labels), size, where, fill=0, nearest=True)


def within(transform: Transform, size: tuple[int, int], box: Box) -> bool:
    """Whether all of a rectangle of the fixed frame lies on a moving picture of a size."""
    return bool(inside(sources(transform.points, box), size).all())


def write_warped(folder: Path, name: str, picture: Warped, like: Slide) -> Path:
    """Write a picture as it lies in the fixed frame, at the full size of that.

    Memory holds one part of a large picture; a PNG is made as a whole.

    Args:
        folder: Where to.
        name: Of the file.
        picture: It.
        like: The fixed picture.

    Returns:
        ``name.png``; of labels and of more than 67 megapixels ``name.ome.tif``.
    """
    height, width = like.size
    corner = picture.part((0, 0, 1, 1))
    if corner.ndim == 3 and height * width <= LARGE:
        whole = np.empty((height, width, 3), np.uint8)
        for x, y, values in _parts(picture, like, name):
            whole[y : y + values.shape[0], x : x + values.shape[1]] = values
        return write_png(folder / f"{name}.png", whole)
    return write_pyramid_tiff(
        folder / f"{name}.ome.tif",
        like.size,
        _parts(picture, like, name),
        dtype=corner.dtype,
        name=name,
        mpp=like.mpp[0] if like.mpp else None,
        background=(0, 0, 0) if corner.ndim == 3 else None,
    )


def _parts(picture: Warped, like: Slide, name: str) -> Iterator[tuple[int, int, Array]]:
    parts = list(boxes(like.size))
    quiet = len(parts) < 16 or not sys.stderr.isatty()
    for box in tqdm(parts, desc=name, unit="part", disable=quiet):
        yield box[0], box[1], picture.part(box)
