from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from histoseg.annotations import (
    LABEL_SUFFIXES,
    as_labels,
    mat_semantic,
    read_labels,
    read_mat,
)
from histoseg.contracts import Array, Place, Record
from histoseg.data.file_dataset import FileDataset, OnError, check_same_size
from histoseg.data.splits import FRACTIONS, split_items
from histoseg.errors import ContractError, DatasetNotFoundError
from histoseg.slides import IMAGE_SUFFIXES, read_image

_log = logging.getLogger(__name__)


class NucleiFolder(FileDataset):
    """Your own pictures with instance maps, paired by the stem of the file name.

    Args:
        images: Folder of PNG, JPEG, BMP or TIFF pictures, gray or RGB, 8 or 16 bits, any size.
        instances: Folder of instance maps: NPY, PNG, TIFF, or MAT with ``inst_map``.
        semantic: Folder of class maps (values 0..K). None with ``classes`` takes the classes
            from the MAT files: ``type_map``, or ``inst_type`` row by row of ascending id.
        classes: Names of classes 1..K; empty for nuclei without classes, and no "semantic".
        class_map: Class stored -> class wanted, applied first; CoNSeP's usual four classes are
            {4: 3, 5: 4, 6: 4, 7: 4}. A class that is not named keeps its number.
        split: One of the keys of ``fractions``; None for all pictures.
        fractions: Share of the groups in each split.
        seed: Of the partition into splits.
        split_file: JSON that keeps the partition; written when absent, else read and checked.
        group_pattern: Regular expression whose first match in a stem is the group (patient,
            slide) that must not straddle splits. None: each picture is its own group.
        mpp: Micrometres per pixel; NaN in ``place`` when None.
        on_error: As in `FileDataset`.

    Raises:
        DatasetNotFoundError: If a folder is missing or empty, or a picture lacks its partner.
        ContractError: If two files share a stem, a stem has no group, or ``classes`` does not
            fit ``semantic``.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"image", "instances", "semantic", "place"})

    def __init__(
        self,
        images: str | Path,
        instances: str | Path,
        semantic: str | Path | None = None,
        classes: Sequence[str] = (),
        class_map: Mapping[int, int] | None = None,
        split: str | None = None,
        fractions: Mapping[str, float] = FRACTIONS,
        seed: int = 0,
        split_file: str | Path | None = None,
        group_pattern: str | None = None,
        mpp: float | None = None,
        on_error: OnError = "raise",
    ) -> None:
        self.classes = tuple(classes)
        self.class_map = dict(class_map or {})
        self.mpp = float("nan") if mpp is None else mpp
        self._images = _by_stem(Path(images), IMAGE_SUFFIXES)
        self._instances = _partners(self._images, Path(instances), "instance map")
        self._semantic = (
            _partners(self._images, Path(semantic), "class map") if semantic is not None else None
        )
        self._check_classes()
        groups = {stem: _group(stem, group_pattern) for stem in self._images}
        keep = None if split_file is None else Path(split_file)
        super().__init__(split_items(groups, split, fractions, seed, keep), on_error)

    def read(self, name: str) -> Record:
        """Read a picture and its maps: see `FileDataset.read`."""
        # labels lie on the pixels as stored: an EXIF rotation would part the two
        image = read_image(self._images[name], upright=False)
        path = self._instances[name]
        arrays = read_mat(path) if path.suffix.lower() == ".mat" else None
        instances = as_labels(arrays["inst_map"], str(path)) if arrays else read_labels(path)
        check_same_size(name, image.shape, instances.shape, "instance map")
        record = Record(image=image, instances=instances, place=Place(name, 0, 0, self.mpp))
        if self.classes:
            if self._semantic is not None:
                semantic = read_labels(self._semantic[name])
            else:
                semantic = mat_semantic(arrays or {}, instances, path)
            check_same_size(name, image.shape, semantic.shape, "class map")
            record["semantic"] = self._mapped(semantic, name)
        return record

    def _mapped(self, semantic: Array, name: str) -> Array:
        highest = int(semantic.max(initial=0))
        if self.class_map:
            table = np.arange(max(highest, *self.class_map) + 1, dtype=np.int32)
            table[list(self.class_map)] = list(self.class_map.values())
            semantic = table[semantic]
            highest = int(semantic.max(initial=0))
        if highest > len(self.classes):
            raise ContractError(
                f"{name}: its class map holds class {highest}, but classes names only "
                f"{len(self.classes)}: {list(self.classes)}. Name the class, or merge it with "
                "class_map"
            )
        return semantic.astype(np.uint8)

    def _check_classes(self) -> None:
        if self._semantic is not None and not self.classes:
            raise ContractError("semantic is given but classes is empty: name classes 1..K")
        if self.classes and self._semantic is None:
            other = [p for p in self._instances.values() if p.suffix.lower() != ".mat"]
            if other:
                raise ContractError(
                    f"classes are {list(self.classes)}, but {other[0].name} cannot hold them: give "
                    "a folder of class maps as semantic, or use MAT files with type_map"
                )


def _by_stem(folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
    kinds = " ".join(sorted(suffixes))
    if not folder.is_dir():
        raise DatasetNotFoundError(f"there is no folder {folder}; it should hold {kinds} files")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found:
            raise ContractError(
                f"{found[path.stem].name} and {path.name} in {folder} share a stem; files are "
                "paired by stem: rename or remove one"
            )
        found[path.stem] = path
    if not found:
        raise DatasetNotFoundError(f"{folder} holds no {kinds} file")
    return found


def _partners(images: Mapping[str, Path], folder: Path, what: str) -> dict[str, Path]:
    found = _by_stem(folder, LABEL_SUFFIXES)
    missing = [path.name for stem, path in images.items() if stem not in found]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DatasetNotFoundError(
            f"{len(missing)} of {len(images)} images have no {what} of the same stem in {folder}: "
            f"{', '.join(missing[:5])}{more}. Add it (an all-zero map where there are no nuclei), "
            "or move the image away"
        )
    orphans = sorted(set(found) - set(images))
    if orphans:
        _log.warning("%d %ss in %s have no image: %s", len(orphans), what, folder, orphans[:5])
    return {stem: found[stem] for stem in images}


def _group(stem: str, pattern: str | None) -> str:
    if pattern is None:
        return stem
    match = re.search(pattern, stem)
    if match is None:
        raise ContractError(f"group_pattern {pattern!r} finds no group in {stem!r}")
    return match[0]
