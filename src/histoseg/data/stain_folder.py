"""The pictures of one stain: files of a folder, and regions of slides."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from histoseg.contracts import Array, Place
from histoseg.errors import ContractError, DatasetNotFoundError, SlideError, UnreadableFileError
from histoseg.slides import (
    IMAGE_SUFFIXES,
    SLIDE_SUFFIXES,
    Frame,
    Slide,
    TissueFinder,
    open_slide,
    read_image,
)

LARGE = 8192
"""Side, px, from which a TIFF is a slide even without levels."""


@dataclass(frozen=True)
class Regions:
    """How slides become pictures: squares about places that are drawn in their tissue.

    Attributes:
        count: Regions of each slide.
        side: Of a region, px at the wanted resolution.
        seed: Another seed is other places.
    """

    count: int = 64
    side: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that give no region."""
        if self.count < 1 or self.side < 1:
            raise ValueError(f"count {self.count} and side {self.side} of regions must be positive")

    def corners(self, slide: Slide, frame: Frame) -> list[tuple[int, int]]:
        """Left and top edge of each region, pixels of the frame.

        Raises:
            SlideError: If there is no tissue, or the slide is smaller than a region.
        """
        if min(frame.size) < self.side:
            raise SlideError(
                f"{slide.path} is {frame.height} x {frame.width} pixels (height x width) at the"
                f" wanted resolution, a region {self.side}: set data.dataset.regions.side"
            )
        mask = TissueFinder(grow_um=0)(slide)
        rows, columns = np.nonzero(mask.inside)
        if not len(rows):
            raise SlideError(f"no tissue was found on {slide.path}: take it out of the folder")
        rng = np.random.default_rng([self.seed, zlib.crc32(slide.name.encode())])
        drawn = rng.integers(len(rows), size=self.count)
        places = np.column_stack([columns[drawn], rows[drawn]]) + rng.random((self.count, 2))
        middle = places * np.array(mask.scale) / np.array(frame.scale)
        corners = np.round(middle - self.side / 2).astype(int)
        room = np.array([frame.width, frame.height]) - self.side
        return [(int(x), int(y)) for x, y in corners.clip(0, room)]


@dataclass(frozen=True)
class Picture:
    """A file, or a region of a slide.

    Attributes:
        name: Of the item.
        path: The file.
        corner: Left and top edge of the region, pixels at the wanted resolution; None for the
            whole of a file.
    """

    name: str
    path: Path
    corner: tuple[int, int] | None = None


class StainFolder:
    """Pictures of one stain, in order.

    Args:
        stain: Its name, for messages.
        files: Name -> file, as `list_files` gives them.
        regions: How slides are cut.
        mpp: Micrometres per pixel at which slides are read; pictures are taken as they are.

    Attributes:
        pictures: All of them.

    Raises:
        SlideError: If there are slides and ``mpp`` is None, or one has no tissue.
        UnreadableFileError: If a slide is damaged.
    """

    def __init__(
        self, stain: str, files: dict[str, Path], regions: Regions, mpp: float | None
    ) -> None:
        self.stain, self.regions, self.mpp = stain, regions, mpp
        self._frames: dict[Path, Frame] = {}
        self.pictures: list[Picture] = []
        for name, path in files.items():
            self.pictures += self._parted(name, path)

    @property
    def names(self) -> list[str]:
        """Of the pictures."""
        return [picture.name for picture in self.pictures]

    def read(self, index: int) -> tuple[Array, Place]:
        """Read a picture (H, W, 3), uint8, and say where it is from.

        Raises:
            UnreadableFileError: If the file is damaged.
        """
        picture = self.pictures[index]
        mpp = float("nan") if self.mpp is None else self.mpp
        if picture.corner is None:
            return read_image(picture.path), Place(picture.name, 0, 0, mpp)
        side, (x, y) = self.regions.side, picture.corner
        return self._frames[picture.path].read(x, y, side, side), Place(picture.name, x, y, mpp)

    def _parted(self, name: str, path: Path) -> list[Picture]:
        """The picture itself, or the regions of a slide."""
        slide = as_slide(path)
        whole = Picture(name, path)
        if slide is None:
            return [whole]
        if self.mpp is None:
            raise SlideError(
                f"{path} is a slide, and at which resolution it is to be read is not said: set "
                "data.mpp, such as 0.5 um/px for 20x"
            )
        self._frames[path] = frame = Frame.at(slide, self.mpp)
        corners = self.regions.corners(slide, frame)
        return [
            replace(whole, name=f"{name}__{number}", corner=corner)
            for number, corner in enumerate(corners)
        ]


def as_slide(path: Path) -> Slide | None:
    """Open a file as a slide, if it is one: by its suffix, or a TIFF with levels or very large."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES and suffix not in (".tif", ".tiff"):
        return None
    try:
        slide = open_slide(path)
    except UnreadableFileError:
        if suffix in IMAGE_SUFFIXES:
            return None  # read_image says why, when it is its turn
        raise
    if suffix in IMAGE_SUFFIXES and len(slide.levels) == 1 and max(slide.size) <= LARGE:
        slide.close()
        return None
    return slide


def list_files(folder: Path, stain: str) -> dict[str, Path]:
    """Name -> file, of all pictures and slides in a folder and its sub-folders, in order.

    Raises:
        DatasetNotFoundError: If there is none.
        ContractError: If two have one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
        if hidden or path.suffix.lower() not in SLIDE_SUFFIXES or not path.is_file():
            continue
        name = "__".join(inside.with_suffix("").parts)
        if name in found:
            raise ContractError(
                f"{found[name]} and {path} are both called {name!r}: rename or remove one"
            )
        found[name] = path
    if not found:
        raise DatasetNotFoundError(
            f"{folder} holds no picture or slide of stain {stain!r} "
            f"({' '.join(sorted(SLIDE_SUFFIXES))}). Put some there, or name another folder: "
            f"data.dataset.folders={{{stain}: <folder>}}"
        )
    return found


def group_of(name: str, pattern: str | None) -> str:
    """What a picture must stay together with when splits are made.

    Raises:
        ContractError: If the pattern finds nothing.
    """
    if pattern is None:
        return name
    match = re.search(pattern, name)
    if match is None:
        raise ContractError(f"group_pattern {pattern!r} finds no group in {name!r}")
    return match[0]


def check_names(stains: Sequence[str], folders: Sequence[str]) -> None:
    """Refuse stains that are too few or named twice, and folders of none of them.

    Raises:
        ContractError: Naming them.
    """
    if len(stains) < 2 or len(set(stains)) < len(stains):
        raise ContractError(f"stains are {list(stains)}: expected two or more, each once")
    if unknown := set(folders) - set(stains):
        raise ContractError(
            f"data.dataset.folders names {sorted(unknown)}, data.stains only {list(stains)}"
        )
