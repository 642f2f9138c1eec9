"""A large slide of synthetic tissue whose nuclei are known, written in constant memory.

    PYTHONPATH=src:tests python -m fakes.big_slide big.tif --side 40000

Islands of tissue lie on glass. An island repeats one drawn patch, mirrored from copy to copy, so
that its picture goes on over the seams and a nucleus on a seam is whole. ``big.npz`` beside the
slide holds the islands and the labels of the patches; `Truth` makes label maps of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from fakes.arrays import shrunk
from histoseg.contracts import Array
from histoseg.data.synthetic import synthetic_tissue

GLASS = 244
TISSUES = ("tumour", "gland", "stroma", "lymphoid")


@dataclass(frozen=True)
class Truth:
    """The nuclei of a slide.

    Attributes:
        size: (height, width) of level 0.
        patch: Side of a patch, pixels.
        labels: (P, patch, patch), int32; each patch has ids 1..n.
        grid: (H / patch, W / patch), int32. Which patch lies there, 0 for glass, else 1..P.
        copies: (H / patch, W / patch, 2), int32. Row and column of the copy in its island.
    """

    size: tuple[int, int]
    patch: int
    labels: Array
    grid: Array
    copies: Array

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read what `write` left beside a slide."""
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            labels, grid, copies = (file[name] for name in ("labels", "grid", "copies"))
        side = labels.shape[1]
        return cls((grid.shape[0] * side, grid.shape[1] * side), side, labels, grid, copies)

    def read(self, x: int, y: int, width: int, height: int) -> Array:
        """Ids of the nuclei in a part of level 0: (height, width), int64, 0 elsewhere."""
        result = np.zeros((height, width), np.int64)
        side = self.patch
        for row in range(y // side, -(-(y + height) // side)):
            for column in range(x // side, -(-(x + width) // side)):
                top, left = row * side, column * side
                part = self._ids(row, column)[
                    max(y - top, 0) : y + height - top, max(x - left, 0) : x + width - left
                ]
                rows = slice(max(top - y, 0), max(top - y, 0) + part.shape[0])
                result[rows, max(left - x, 0) : max(left - x, 0) + part.shape[1]] = part
        return result

    def count(self) -> int:
        """Number of nuclei on the slide."""
        found = [
            self._names(row, column)[1:] for row, column in np.argwhere(self.grid > 0).tolist()
        ]
        return len(np.unique(np.concatenate(found))) if found else 0

    def _ids(self, row: int, column: int) -> Array:
        number = int(self.grid[row, column])
        if number == 0:
            return np.zeros((self.patch, self.patch), np.int64)
        labels = _mirrored(self.labels[number - 1], *self.copies[row, column])
        return self._names(row, column)[labels]

    def _names(self, row: int, column: int) -> Array:
        """Id on the slide of each id of the patch that lies here, that of a seam's first copy."""
        i, j = self.copies[row, column]
        touches = self._touches[int(self.grid[row, column]) - 1]
        home_row = row - _back(int(i), *touches[:2])
        home_column = column - _back(int(j), *touches[2:])
        most = 1 + int(self.labels.max())
        names = (home_row * self.grid.shape[1] + home_column) * most + np.arange(touches.shape[1])
        names[0] = 0
        return np.asarray(names)

    @cached_property
    def _touches(self) -> list[Array]:
        """Of each patch: which ids touch its top, bottom, left, right: (4, n + 1), bool."""
        found = []
        for labels in self.labels:
            touches = np.zeros((4, int(labels.max()) + 1), np.bool_)
            for edge, line in enumerate((labels[0], labels[-1], labels[:, 0], labels[:, -1])):
                touches[edge, line] = True
            found.append(touches)
        return found


def write(
    path: Path,
    side: int = 40_000,
    *,
    patch: int = 1024,
    share: float = 0.05,
    mpp: float = 0.25,
    seed: int = 0,
    stain: str = "he",
) -> Truth:
    """Write a tiled pyramid in JPEG with its truth beside it.

    Args:
        path: ``.tif``.
        side: Of level 0, pixels; rounded up to whole patches.
        patch: Side of a patch; a multiple of 64.
        share: Of the slide that tissue covers, about.
        mpp: Micrometres per pixel.
        seed: Of everything.
        stain: ``he`` or ``ihc``.
    """
    rng = np.random.default_rng(seed)
    count = -(-side // patch)
    grid, copies = _islands(rng, count, share)
    records = [
        synthetic_tissue(patch, patch, (seed, i), stain=stain, tissue=name, mpp=mpp)
        for i, name in enumerate(TISSUES)
    ]
    labels = np.stack([record["instances"] for record in records]).astype(np.int32)
    truth = Truth((count * patch, count * patch), patch, labels, grid, copies)
    _write_pyramid(path, truth, [record["image"] for record in records], mpp)
    np.savez_compressed(path.with_suffix(".npz"), labels=labels, grid=grid, copies=copies)
    return truth


def _islands(rng: np.random.Generator, count: int, share: float) -> tuple[Array, Array]:
    grid = np.zeros((count, count), np.int32)
    copies = np.zeros((count, count, 2), np.int32)
    for number in range(1000):
        if (grid > 0).mean() >= share:
            break
        high, wide = rng.integers(1, max(2, count // 6) + 1, 2)
        top, left = (int(rng.integers(0, count - n + 1)) for n in (high, wide))
        around = grid[max(top - 1, 0) : top + high + 1, max(left - 1, 0) : left + wide + 1]
        if not around.any():
            grid[top : top + high, left : left + wide] = 1 + number % len(TISSUES)
            copies[top : top + high, left : left + wide] = np.stack(np.mgrid[:high, :wide], axis=-1)
    return grid, copies


def _write_pyramid(path: Path, truth: Truth, images: list[Array], mpp: float) -> None:
    factors = [2**k for k in range(7) if truth.patch % 2**k == 0 and truth.size[0] >> k >= 256]
    per_cm = 1e4 / mpp
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for level, factor in enumerate(factors):
            small = [shrunk(image, factor) for image in images]
            shape = (truth.size[0] // factor, truth.size[1] // factor, 3)
            tif.write(
                _tiles(truth, small, shape[:2]),
                shape=shape,
                dtype=np.uint8,
                tile=(256, 256),
                photometric="rgb",
                compression="jpeg",
                subfiletype=int(level > 0),
                subifds=None,
                resolution=(per_cm / factor, per_cm / factor),
                resolutionunit="CENTIMETER",
                metadata=None,
            )


def _tiles(truth: Truth, images: list[Array], size: tuple[int, int]) -> Iterator[bytes]:
    """The encoded tiles of a level, row by row; those of glass are encoded once."""
    glass = np.full((256, 256, 3), GLASS, np.uint8)
    empty = _encoded(glass)
    side = len(images[0])
    for top in range(0, size[0], 256):
        for left in range(0, size[1], 256):
            rows = range(top // side, min(-(-(top + 256) // side), len(truth.grid)))
            columns = range(left // side, min(-(-(left + 256) // side), len(truth.grid)))
            if not truth.grid[rows.start : rows.stop, columns.start : columns.stop].any():
                yield empty
                continue
            tile = glass.copy()
            for row in rows:
                for column in columns:
                    _paint(tile, truth, images, row, column, (top, left))
            yield _encoded(tile)


def _paint(
    tile: Array, truth: Truth, images: list[Array], row: int, column: int, at: tuple[int, int]
) -> None:
    number = int(truth.grid[row, column])
    if number == 0:
        return
    image = _mirrored(images[number - 1], *truth.copies[row, column])
    top, left = row * len(image) - at[0], column * len(image) - at[1]
    part = image[max(-top, 0) : 256 - top, max(-left, 0) : 256 - left]
    high, wide = part.shape[:2]
    tile[max(top, 0) : max(top, 0) + high, max(left, 0) : max(left, 0) + wide] = part


def _encoded(tile: Array) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(tile, level=90, colorspace="RGB", outcolorspace="YCBCR"))


def _mirrored(image: Array, row: int, column: int) -> Array:
    return image[:: -1 if row % 2 else 1, :: -1 if column % 2 else 1]


def _back(copy: int, touches_start: Array, touches_end: Array) -> Array:
    """How many copies back the first one lies that shares each nucleus: 0 or 1.

    Even copies are as drawn, odd ones mirrored: between an even copy and the next lies the end of
    the patch, between an odd one and the next its start.
    """
    if copy % 2:
        return touches_end.astype(np.int64)
    return touches_start.astype(np.int64) * (copy > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a large slide of synthetic tissue.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--side", type=int, default=40_000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stain", default="he")
    given = parser.parse_args()
    truth = write(given.path, given.side, share=given.share, seed=given.seed, stain=given.stain)
    print(f"{given.path}: {truth.size[0]} px, {truth.count()} nuclei")  # noqa: T201


if __name__ == "__main__":
    main()
