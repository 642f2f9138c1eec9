from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from histoseg.annotations import Shape, rasterise, read_aperio
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.pairs import patient
from histoseg.slides import read_image

CLASSES = ("epithelial", "lymphocyte", "macrophage", "neutrophil")
AMBIGUOUS = "ambiguous"
_PICTURES = (".svs", ".tif")  # the first that is there; some patches come in one of the two only


class MoNuSAC:
    """MoNuSAC 2020: ``<part>/<patient>/<patch>.svs`` or ``.tif``, with outlines as Aperio XML.

    Ambiguous regions become what is ignored.

    Args:
        parts: Published part -> its folder below the raw one, at any depth, in any case of letters.
        mpp: Micrometres per pixel.
        tissues: Tissue -> its patients, where a source states it.

    Source:
        The challenge's page, and the authors' scripts (ruchikaverma-iitg/MoNuSAC) for the class as
        the name of the annotation's attribute; see docs/data/monusac.md.
    """

    def __init__(
        self,
        parts: Mapping[str, str],
        mpp: float | None = None,
        tissues: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.parts, self.mpp = dict(parts), mpp
        self._tissue = {name: organ for organ, group in (tissues or {}).items() for name in group}

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the patches: see `histoseg.prepare.Source`."""
        for part, name in self.parts.items():
            found = [p for p in sorted(raw.rglob("*")) if name.lower() in _folders(p, raw)]
            kinds = (*_PICTURES, ".xml")
            files = {(p.stem, p.suffix.lower()): p for p in found if p.name[0] != "."}
            stems = sorted({stem for stem, kind in files if kind in kinds})
            if not stems:
                raise DatasetNotFoundError(f"there is no folder '{name}' with patches in {raw}")
            for stem in stems:
                own = {kind: files[stem, kind] for kind in kinds if (stem, kind) in files}
                read = partial(self._read, stem, part, own)
                yield RawItem(f"{part}_{stem}", tuple(own.values()), read)

    def _read(self, stem: str, part: str, files: Mapping[str, Path]) -> Item:
        picture = next((files[kind] for kind in _PICTURES if kind in files), None)
        if picture is None or ".xml" not in files:
            there = next(iter(files.values()))
            lacks = "XML file" if picture else f"{' or '.join(_PICTURES)} file"
            raise UnreadableFileError(f"{there} has no {lacks} of the same stem")
        image = read_image(picture, upright=False)
        size = (image.shape[0], image.shape[1])
        drawing = read_aperio(files[".xml"])
        maps = rasterise(drawing.shapes, _class_of, size)
        unclear = [shape for shape in drawing.shapes if _name(shape) == AMBIGUOUS]
        ignore = rasterise(unclear, None, size).instances > 0 if unclear else None
        return Item(
            id=f"{part}_{stem}",
            image=image,
            instances=maps.instances,
            semantic=maps.semantic,
            split=part,
            group=patient(stem),
            tissue=self._tissue.get(patient(stem), ""),
            mpp=self.mpp,
            ignore=ignore,
            dropped=(*drawing.dropped, *maps.dropped),
        )


def _folders(path: Path, raw: Path) -> list[str]:
    return [part.lower() for part in path.relative_to(raw).parts[:-1]]


def _name(shape: Shape) -> str:
    return (shape.label or "").strip().lower()


def _class_of(shape: Shape) -> int | None:
    name = _name(shape)
    if name == AMBIGUOUS:
        return 0
    return 1 + CLASSES.index(name) if name in CLASSES else None
