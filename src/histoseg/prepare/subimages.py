"""Crops around marked regions of channel stacks, with masks, in the layout of loading codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from histoseg.annotations import (
    Box,
    Drawing,
    boxes_of,
    rasterise,
    read_boxes,
    read_drawing,
    read_labels,
)
from histoseg.contracts import Array
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.slides.stack import STACK_SUFFIXES, Layout, Stack, stack_stem

Masks = Literal["files", "rois", "none"]
ROIS, LABELS = "--ROI.zip", "--labels.txt"
_WHITE = 255


class Subimage(NamedTuple):
    """A crop.

    Attributes:
        name: Of its files, ``<sub>/<stem>_<number>``.
        source: The stack.
        box: Where it lies in it.
        planes: (C, H, W), of the type stored.
        mask: (H, W), uint8: class of each pixel.
    """

    name: str
    source: Path
    box: Box
    planes: Array
    mask: Array


@dataclass(frozen=True)
class Subimages:
    """Cuts what was marked in stacks: ``<stem>--ROI.zip`` of ImageJ or ``<stem>--labels.txt``.

    Args:
        source: Folder of stacks with these files beside them; sub-folders count too.
        masks: ``files``: class maps ``<stem><mask_suffix>`` beside the stacks. ``rois``: what the
            ROI zip outlines are the cells. ``none``: there are no cells, masks are black.
        mask_suffix: Behind the stem of a stack, in the name of its class map.
        negatives: Sub-folders, by name, of images without cells: masks are black there.
        classes: Names of classes 1..K.
        padding: Pixels added on each side of a box.
        layout: As in `histoseg.slides.stack.Stack`.

    Raises:
        ContractError: If ``masks`` is unknown, or no source is given.
        ValueError: If the padding is negative.

    Source:
        wdlcameron/Cell-Segmentation-Using-Deep-Learning, sub-image tool.
    """

    source: str | Path | None
    masks: Masks = "files"
    mask_suffix: str = "_seg.png"
    negatives: Sequence[str] = ()
    classes: Sequence[str] = ("cell",)
    padding: int = 0
    layout: Layout = "axes"

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        if self.source is None:
            raise ContractError(
                "say source=<folder of stacks with --ROI.zip or --labels.txt files>"
            )
        if self.masks not in get_args(Masks):
            raise ContractError(
                f"prepare.crops.masks is {self.masks!r}; expected one of {get_args(Masks)}"
            )
        if self.padding < 0:
            raise ValueError(f"prepare.crops.padding is {self.padding} px; expected 0 or more")

    def find(self) -> list[Path]:
        """The stacks in which something is marked, sorted.

        Raises:
            DatasetNotFoundError: If there is none.
            ContractError: If two would have the same crops.
        """
        folder = Path(str(self.source))
        stacks = [
            path
            for path in sorted(folder.rglob("*"))
            if path.name.lower().endswith(STACK_SUFFIXES)
            and path.is_file()
            and not path.name.startswith(".")
            and any(path.with_name(stack_stem(path.name) + end).is_file() for end in (ROIS, LABELS))
        ]
        if not stacks:
            raise DatasetNotFoundError(
                f"no stack in {folder} has a <name>{ROIS} or <name>{LABELS} beside it: mark "
                "regions in ImageJ and save them from its ROI manager"
            )
        names = [path.with_name(stack_stem(path.name)) for path in stacks]
        if twice := [path for path in names if names.count(path) > 1]:
            raise ContractError(f"two stacks are called {twice[0]}: rename or remove one")
        return stacks

    def cut(self, path: Path) -> Iterator[Subimage]:
        """Cut the regions of a stack, in the order in which they were marked.

        Raises:
            UnreadableFileError: If a file of it cannot be read, a region lies outside, or a mask
                does not fit.
        """
        stack, stem = Stack(path, self.layout), stack_stem(path.name)
        rois, labels = path.with_name(stem + ROIS), path.with_name(stem + LABELS)
        drawing = read_drawing(rois) if rois.is_file() else None
        boxes = read_boxes(labels) if labels.is_file() else boxes_of(drawing or Drawing(()))
        if not boxes:
            raise UnreadableFileError(f"{path}: neither file beside it has a region with an area")
        mask = self._mask(path, stem, drawing, stack.size)
        inside = path.relative_to(Path(str(self.source))).parent
        planes = np.stack([stack.plane(k) for k in range(stack.channels)])
        for number, box in enumerate(boxes):
            there = box.within(stack.size, self.padding)
            if there.right <= there.left or there.bottom <= there.top:
                raise UnreadableFileError(
                    f"{path}: region {number}, {tuple(box)}, lies outside of the image of "
                    f"{stack.size[1]} x {stack.size[0]} px (width x height)"
                )
            rows, columns = slice(there.top, there.bottom), slice(there.left, there.right)
            name = (inside / f"{stem}_{number:03d}").as_posix()
            yield Subimage(name, path, there, planes[:, rows, columns], mask[rows, columns])

    def _mask(self, path: Path, stem: str, drawing: Drawing | None, size: tuple[int, int]) -> Array:
        parents = path.relative_to(Path(str(self.source))).parent.parts
        if self.masks == "none" or set(parents) & set(self.negatives):
            return np.zeros(size, np.uint8)
        if self.masks == "rois":
            if drawing is None:
                raise UnreadableFileError(
                    f"{path} has no {stem}{ROIS}, whose outlines would be its cells"
                )
            return (rasterise(drawing.shapes, None, size).instances > 0).astype(np.uint8)
        file = path.with_name(stem + self.mask_suffix)
        if not file.is_file():
            raise UnreadableFileError(
                f"{path} has no mask {file.name}: draw one, set prepare.crops.mask_suffix, or list "
                "its folder in prepare.crops.negatives if there are no cells"
            )
        values = read_labels(file)
        if values.shape != size:
            raise UnreadableFileError(
                f"{file} is {values.shape} pixels and its stack {size} (height, width); they must "
                "lie on the same pixels"
            )
        found, count = np.unique(values), len(self.classes)
        if count == 1 and set(found.tolist()) <= {0, _WHITE}:
            return (values > 0).astype(np.uint8)
        if found[-1] > count:
            raise UnreadableFileError(
                f"{file} holds {', '.join(map(str, found[found > count][:8]))}; expected classes 0 "
                f"to {count}, or 0 and 255 for one class"
            )
        return values.astype(np.uint8)
