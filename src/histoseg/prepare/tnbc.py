from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from skimage.measure import label

from histoseg.annotations import read_labels
from histoseg.errors import DatasetNotFoundError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.pairs import partner, stems
from histoseg.slides import read_image

_SLIDE = re.compile(r"Slide_(\d+)", re.IGNORECASE)


class TNBC:
    """TNBC of Naylor et al.: ``Slide_<patient>/*.png`` beside ``GT_<patient>/*.png``.

    Every piece of one value of an annotation, connected over edges or corners, is a nucleus. This
    reads masks of 0 and 255 and maps of ids alike.

    Args:
        mpp: Micrometres per pixel; None where it is not stated.

    Source:
        Zenodo record 1175282. Naylor's own scripts and torch-em label the annotations so too.
    """

    def __init__(self, mpp: float | None = None) -> None:
        self.mpp = mpp

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the pictures: see `histoseg.prepare.Source`."""
        slides = [p for p in sorted(raw.rglob("Slide_*")) if _SLIDE.fullmatch(p.name)]
        if not slides:
            raise DatasetNotFoundError(f"there is no folder Slide_<number> in {raw}")
        for slide in slides:
            number = slide.name[len("Slide_") :]
            truth = stems(slide.parent / f"GT_{number}", (".png",))
            for stem, image in stems(slide).items():
                files = (image, truth[stem]) if stem in truth else (image,)
                read = partial(self._read, stem, number, image, truth)
                yield RawItem(stem, files, read)

    def _read(self, stem: str, number: str, image: Path, truth: dict[str, Path]) -> Item:
        values = read_labels(partner(stem, truth, "annotation"))
        return Item(
            id=stem,
            image=read_image(image, upright=False),
            instances=label(values, background=0),  # type: ignore[no-untyped-call]
            group=f"patient_{number}",
            tissue="breast",
            mpp=self.mpp,
        )
