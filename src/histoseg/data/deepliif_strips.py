from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from histoseg.contracts import Array, Place, Record
from histoseg.data.file_dataset import FileDataset, OnError
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.ops.seg_colours import MOST_UNLIKE, is_gray, unlike_seg
from histoseg.slides import IMAGE_SUFFIXES, read_image


class DeepLIIFStrips(FileDataset):
    """Co-registered pictures of one tissue, side by side in one file, as DeepLIIF trains on them.

    A strip is as high as one square panel and as many panels wide as there are stains. Gray and
    16-bit strips become 8-bit RGB: `histoseg.slides.read_image`, which scales a file by its depth.

    Args:
        root: Folder with one folder a split.
        folder: That of the split; strips in its sub-folders count too, and are named
            ``sub__name``.
        stains: Names of the panels, from left to right.
        label_stains: Those that are label pictures: red positive cells, blue negative ones, green
            boundaries, black background.
        mpp: Micrometres per pixel; NaN in ``place`` when None.
        on_error: As in `FileDataset`.
        brightfield: Those that have to be in colour, where they are among ``stains``: a gray one
            mostly means that the panels are in another order.

    Raises:
        DatasetNotFoundError: If there is no strip.
        ContractError: If two strips have one name, a stain is named twice, or a label picture is
            none of the stains.

    Source:
        Ghahremani et al. 2022, Nature Machine Intelligence 4:401.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"stains", "place"})

    def __init__(
        self,
        root: str | Path,
        folder: str,
        stains: Sequence[str],
        label_stains: Sequence[str] = (),
        mpp: float | None = None,
        on_error: OnError = "raise",
        brightfield: Sequence[str] = (),
    ) -> None:
        if not stains or len(set(stains)) < len(stains):
            raise ContractError(
                f"stains are {list(stains)}: expected the names of the panels from left to right, "
                "each once"
            )
        if unknown := set(label_stains) - set(stains):
            raise ContractError(
                f"data.label_stains names {sorted(unknown)}, data.stains only {list(stains)}: set "
                "data.label_stains=[] for strips without label pictures"
            )
        self.stains, self.label_stains = tuple(stains), tuple(label_stains)
        self.brightfield = tuple(name for name in brightfield if name in stains)
        self.mpp = float("nan") if mpp is None else mpp
        self._files = _strips(Path(root) / folder)
        super().__init__(sorted(self._files), on_error)

    def read(self, name: str) -> Record:
        """Read a strip and part its panels: see `FileDataset.read`."""
        path = self._files[name]
        strip = read_image(path, upright=False)
        side = self._side(path, strip)
        panels = (strip[:, i * side : (i + 1) * side] for i in range(len(self.stains)))
        stains = dict(zip(self.stains, map(np.ascontiguousarray, panels), strict=True))
        for stain in self.label_stains:
            _check_labels(path, stain, stains[stain])
        for stain in self.brightfield:
            if is_gray(stains[stain]):
                raise UnreadableFileError(
                    f"{path}: panel {stain!r} is gray, and has to be in colour: put data.stains in "
                    "the order of the panels, give the strip in colour, or take it as it is: "
                    "data.dataset.brightfield=[]"
                )
        return Record(stains=stains, place=Place(name, 0, 0, self.mpp))

    def _side(self, path: Path, strip: Array) -> int:
        """Height, which is also the width of a panel."""
        height, width = strip.shape[:2]
        if width == height * len(self.stains):
            return int(height)
        panels = (
            f"that is {width // height} square panels"
            if width % height == 0
            else "its width is no multiple of its height"
        )
        raise UnreadableFileError(
            f"{path} is {height} x {width} pixels (height x width), {panels}; expected "
            f"{len(self.stains)}, one for each of data.stains {list(self.stains)}. Name the panels "
            "of your strips from left to right, or remove the file"
        )


def _strips(folder: Path) -> dict[str, Path]:
    """Name -> file, of all pictures in a folder and its sub-folders."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
        if hidden or path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            continue
        name = "__".join(inside.with_suffix("").parts)
        if name in found:
            raise ContractError(
                f"{found[name]} and {path} are both called {name!r}: rename or remove one"
            )
        found[name] = path
    if not found:
        raise DatasetNotFoundError(
            f"{folder} holds no strip ({' '.join(sorted(IMAGE_SUFFIXES))}). Make strips of single "
            "pictures with `histoseg prepare data=deepliif_strips source=<folder>`, set "
            "data.dataset.root, or name the folder of the split: data.splits.<split>.folder"
        )
    return found


def _check_labels(path: Path, stain: str, picture: Array) -> None:
    share = unlike_seg(picture)
    if share > MOST_UNLIKE:
        raise UnreadableFileError(
            f"{path}: {share:.0%} of panel {stain!r} has other colours than red (positive), blue "
            "(negative), green (boundary) and black (background). Recolour it, put data.stains in "
            "the order of the panels, or take it out of data.label_stains"
        )
