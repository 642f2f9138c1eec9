from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from histoseg.contracts import Array
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.ops.seg_colours import MOST_UNLIKE, is_gray, unlike_seg
from histoseg.slides import IMAGE_SUFFIXES, read_image
from histoseg.slides.image import used_depth

WORTH_SAYING = 0.005  # share of a label picture that mixes two colours


class Remark(NamedTuple):
    """A row of ``report.csv``; ``failed`` says whether something has to be mended."""

    item: str
    file: str
    why: str
    failed: bool


@dataclass(frozen=True)
class StainSet:
    """The pictures of one field of view.

    Attributes:
        name: Stem of the picture of the first stain.
        group: What must not straddle splits.
        files: By stain.
    """

    name: str
    group: str
    files: Mapping[str, Path]

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file.

        Raises:
            UnreadableFileError: If one cannot be opened.
        """
        return {stain: _hash(path) for stain, path in self.files.items()}


class Strip(NamedTuple):
    """Panels of one size side by side, in the order of the stains.

    Attributes:
        name: Of its file.
        x: Left edge in the pictures, px; 0 where they were resized.
        y: Top edge.
        pixels: (S, n * S, 3), uint8.
    """

    name: str
    x: int
    y: int
    pixels: Array


@dataclass(frozen=True)
class StainSets:
    """Single pictures, one file a stain, told apart by a word in their names.

    The first stain leads: the files of the others are called the same but for its word.

    Attributes:
        source: Folder; sub-folders count too.
        stains: Names of the panels, from left to right.
        words: Stain -> word in the names of its files; one that is not listed is its own word.
        label_stains: Stains that are label pictures.
        brightfield: Stains that have to be in colour.
        size: Side of a panel, px; pictures of another size are resized.
        tile: Cut panels of this side instead, which overlap and cover the picture; None resizes.
        group_pattern: Regular expression whose first match in a name is the group (patient, slide)
            that must not straddle splits. None: each field is its own group.

    Raises:
        ContractError: If there is no stain, or a label picture is none of them.
        ValueError: If a size is not positive.
    """

    source: str | Path | None
    stains: Sequence[str]
    words: Mapping[str, str]
    label_stains: Sequence[str] = ()
    brightfield: Sequence[str] = ()
    size: int = 512
    tile: int | None = None
    group_pattern: str | None = None

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        unknown = set(self.label_stains) - set(self.stains)
        if unknown or not self.stains:
            raise ContractError(
                f"data.label_stains names {sorted(unknown)}, data.stains only {list(self.stains)}: "
                "name the stains, and set data.label_stains=[] where none is a label picture"
            )
        if self.size < 1 or (self.tile is not None and self.tile < 1):
            raise ValueError(f"size {self.size} and tile {self.tile} must be at least 1 px")

    def find(self) -> tuple[list[StainSet], list[Remark]]:
        """Find the sets, and what is incomplete.

        Raises:
            DatasetNotFoundError: If no file has the word of the first stain.
            ContractError: If no source is given, two sets have one name, or one has no group.
        """
        if self.source is None:
            raise ContractError(
                "say source=<folder of pictures, one file a stain>. Strips that you have already "
                "are read as they are: set data.dataset.root to their folder when training"
            )
        files = {path.with_suffix(""): path for path in _pictures(Path(self.source))}
        words = {stain: self.words.get(stain, stain) for stain in self.stains}
        lead = words[self.stains[0]]
        sets, remarks, taken = dict[str, StainSet](), list[Remark](), set[Path]()
        for stem, path in files.items():
            if lead not in stem.name:
                continue
            name = stem.name
            if name in sets:
                raise ContractError(f"two fields are called {name}: rename {path}")
            others = {s: stem.with_name(name.replace(lead, w)) for s, w in words.items()}
            taken |= set(others.values())
            missing = [other.name for other in others.values() if other not in files]
            if missing:
                why = f"left out: there is no {', '.join(missing)}"
                remarks.append(Remark(name, path.name, why, failed=False))
                continue
            sets[name] = StainSet(name, self._group(name), {s: files[o] for s, o in others.items()})
        if not taken:
            raise DatasetNotFoundError(
                f"no picture in {self.source} has {lead!r} in its name, the word of the first "
                f"stain; files are told apart by prepare.sets.words, here {words}"
            )
        for stem in sorted(set(files) - taken):
            why = f"left out: no {lead} goes with it"
            remarks.append(Remark(stem.name, files[stem].name, why, failed=False))
        return list(sets.values()), remarks

    def depths(self, sets: Sequence[StainSet]) -> dict[str, int]:
        """Bits that 16-bit files of a stain use, the most of all: one scale for each stain."""
        found: dict[str, int] = {}
        for one in sets:
            for stain, path in one.files.items():
                if depth := used_depth(path):
                    found[stain] = max(depth, found.get(stain, 0))
        return found

    def read(
        self, one: StainSet, depths: Mapping[str, int] | None = None
    ) -> tuple[list[Strip], list[Remark]]:
        """Read a set and lay out its strips.

        Args:
            one: The set.
            depths: From `depths`; without it each file is scaled by itself.

        Raises:
            UnreadableFileError: If a picture is damaged, not square where it is to be resized, of
                another size than the others where it is to be cut, in colours that a label
                picture does not have, or gray where it has to be in colour.
        """
        depths = depths or {}
        pictures = {s: read_image(path, depth=depths.get(s)) for s, path in one.files.items()}
        remarks = list(self._remarks(one, pictures))
        if self.tile is None:
            panels = [self._resized(one, stain, p) for stain, p in pictures.items()]
            return [Strip(one.name, 0, 0, np.concatenate(panels, axis=1))], remarks
        return list(self._cut(one, pictures, self.tile)), remarks

    def _group(self, name: str) -> str:
        if self.group_pattern is None:
            return name
        match = re.search(self.group_pattern, name)
        if match is None:
            raise ContractError(f"group_pattern {self.group_pattern!r} finds no group in {name!r}")
        return match[0]

    def _remarks(self, one: StainSet, pictures: Mapping[str, Array]) -> Iterator[Remark]:
        for stain in self.label_stains:
            share, file = unlike_seg(pictures[stain]), one.files[stain]
            if share > MOST_UNLIKE:
                raise UnreadableFileError(
                    f"{file}: {share:.0%} of it has other colours than red (positive), blue "
                    "(negative), green (boundary) and black (background): recolour it"
                )
            if share > WORTH_SAYING:
                why = f"{share:.1%} of its pixels mix two colours of labels"
                yield Remark(one.name, file.name, why, failed=False)
        for stain in set(self.brightfield) & set(self.stains):
            if is_gray(pictures[stain]):
                raise UnreadableFileError(
                    f"{one.files[stain]} is gray, and {stain} has to be in colour: brown and blue "
                    "cannot be told apart. Give the picture in colour, or take it as it is: "
                    "data.dataset.brightfield=[]"
                )

    def _resized(self, one: StainSet, stain: str, picture: Array) -> Array:
        height, width = picture.shape[:2]
        if height != width:
            raise UnreadableFileError(
                f"{one.files[stain]} is {height} x {width} pixels (height x width) and would be "
                f"squeezed into a square: cut it with prepare.sets.tile={self.size}"
            )
        if height == self.size:
            return picture
        smooth = cv2.INTER_AREA if height > self.size else cv2.INTER_LINEAR
        how = cv2.INTER_NEAREST_EXACT if stain in self.label_stains else smooth
        return np.asarray(cv2.resize(picture, (self.size, self.size), interpolation=how))

    def _cut(self, one: StainSet, pictures: Mapping[str, Array], tile: int) -> Iterator[Strip]:
        sizes = {stain: picture.shape[:2] for stain, picture in pictures.items()}
        height, width = next(iter(sizes.values()))
        if len(set(sizes.values())) > 1 or min(height, width) < tile:
            raise UnreadableFileError(
                f"{one.name}: its pictures are {sizes} pixels (height, width); to be cut they must "
                f"be of one size and at least {tile} x {tile}"
            )
        corners = [(y, x) for y in starts(height, tile) for x in starts(width, tile)]
        for number, (y, x) in enumerate(corners, start=1):
            panels = [p[y : y + tile, x : x + tile] for p in pictures.values()]
            name = one.name if len(corners) == 1 else f"{one.name}_{number}"
            yield Strip(name, x, y, np.concatenate(panels, axis=1))


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}") from error


def starts(length: int, tile: int) -> list[int]:
    """Where tiles begin that cover a length, evenly spread: the fewest there can be.

    Example:
        >>> starts(640, 512), starts(512, 512)
        ([0, 128], [0])
    """
    count = -(-length // tile)
    return [round(first) for first in np.linspace(0, length - tile, count).tolist()]


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DatasetNotFoundError(f"there is no folder {folder} (seen from {Path.cwd()})")
    found: dict[Path, Path] = {}
    for path in sorted(folder.rglob("*")):
        hidden = any(p.startswith((".", "__MACOSX")) for p in path.relative_to(folder).parts)
        if hidden or path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            continue
        other = found.setdefault(path.with_suffix(""), path)
        if other != path:
            raise ContractError(f"{other} and {path} have one stem: remove one of them")
    return list(found.values())
