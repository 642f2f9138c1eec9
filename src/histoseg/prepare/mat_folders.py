from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from histoseg.annotations import as_labels, read_mat
from histoseg.contracts import Array
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.pairs import find_folder, partner, patient, stems
from histoseg.slides import read_image


class MatFolders:
    """Sets as HoVer-Net's authors give them: ``<part>/Images`` beside ``<part>/Labels/*.mat``.

    Args:
        parts: Published part -> its folder below the raw one, at any depth, in any case of
            letters; "" for the set's own folder where no parts are published.
        classes: Whether the MAT files have ``type_map``; ``inst_map`` they all have.
        mpp: Micrometres per pixel; None where it is not stated.
        tissues: Tissue -> stems of its images, where a source states it.

    Source:
        The readers of vqdang/hover_net (``dataset.py``): ``inst_map`` and, for CoNSeP,
        ``type_map``.
    """

    def __init__(
        self,
        parts: Mapping[str, str],
        classes: bool = False,
        mpp: float | None = None,
        tissues: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.parts, self.classes, self.mpp = dict(parts), classes, mpp
        self._tissue = {stem: name for name, group in (tissues or {}).items() for stem in group}

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the pictures: see `histoseg.prepare.Source`."""
        for split, name in self.parts.items():
            folder = find_folder(raw, f"{name}/Images")
            if folder is None:
                raise DatasetNotFoundError(f"there is no folder {name}/Images in {raw}")
            labels = stems(folder.parent / "Labels", (".mat",))
            for stem, image in stems(folder).items():
                files = (image, labels[stem]) if stem in labels else (image,)
                yield RawItem(stem, files, partial(self._read, stem, split, image, labels))

    def _read(self, stem: str, split: str, image: Path, labels: dict[str, Path]) -> Item:
        path = partner(stem, labels, "MAT file")
        arrays = read_mat(path)
        return Item(
            id=stem,
            image=read_image(image, upright=False),
            instances=as_labels(arrays["inst_map"], f"inst_map of {path}"),
            semantic=_types(arrays, path) if self.classes else None,
            split=split,
            group=patient(stem),
            tissue=self._tissue.get(stem, ""),
            mpp=self.mpp,
        )


def _types(arrays: dict[str, Array], path: Path) -> Array:
    if "type_map" not in arrays:
        raise UnreadableFileError(f"{path} has no 'type_map': the classes are missing")
    return as_labels(arrays["type_map"], f"type_map of {path}")
