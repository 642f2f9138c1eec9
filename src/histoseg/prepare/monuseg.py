from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from histoseg.annotations import rasterise, read_aperio
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.pairs import find_folder, patient, stems
from histoseg.slides import read_image


class MoNuSeg:
    """Sets of ``Tissue Images/*.tif`` with outlines as Aperio XML: Kumar and MoNuSeg.

    Pictures and outlines may lie in two folders (training) or in one (MoNuSegTestData).

    Args:
        parts: Published part -> folder of its pictures below the raw one, at any depth, in any
            case of letters; outlines lie there too, or in ``Annotations`` beside it.
        members: Published part -> stems of its images, where one folder holds several parts;
            images that are not named are left out.
        mpp: Micrometres per pixel.
        tissues: Tissue -> stems of its images, where a source states it.

    Source:
        The layout and the organs of Kumar's 30 images as torch-em (Archit et al.) reads them; see
        docs/data/monuseg.md.
    """

    def __init__(
        self,
        parts: Mapping[str, str],
        members: Mapping[str, list[str]] | None = None,
        mpp: float | None = None,
        tissues: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.parts, self.mpp = dict(parts), mpp
        self._split = {stem: part for part, group in (members or {}).items() for stem in group}
        self._tissue = {stem: name for name, group in (tissues or {}).items() for stem in group}

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the pictures: see `histoseg.prepare.Source`."""
        for part, name in self.parts.items():
            folder = find_folder(raw, name)
            if folder is None:
                raise DatasetNotFoundError(f"there is no folder '{name}' in {raw}")
            beside = folder.parent / "Annotations"
            outlines = stems(beside if beside.is_dir() else folder, (".xml",))
            for stem, image in stems(folder).items():
                split = self._split.get(stem) if self._split else part
                if split is not None:
                    files = (image, outlines[stem]) if stem in outlines else (image,)
                    yield RawItem(stem, files, partial(self._read, stem, split, files))

    def _read(self, stem: str, split: str, files: tuple[Path, ...]) -> Item:
        if len(files) < 2:
            raise UnreadableFileError(f"{files[0]} has no XML file of the same stem")
        image = read_image(files[0], upright=False)
        drawing = read_aperio(files[1])
        maps = rasterise(drawing.shapes, None, (image.shape[0], image.shape[1]))
        return Item(
            id=stem,
            image=image,
            instances=maps.instances,
            split=split,
            group=patient(stem),
            tissue=self._tissue.get(stem, ""),
            mpp=self.mpp,
            dropped=(*drawing.dropped, *maps.dropped),
        )
