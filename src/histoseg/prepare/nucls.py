from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from histoseg.annotations import Dropped, Rasterised, Shape, rasterise
from histoseg.contracts import Array
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.pairs import stems
from histoseg.prepare.table_file import read_table
from histoseg.slides import read_image

CLASSES = (
    "tumor",
    "fibroblast",
    "lymphocyte",
    "plasma_cell",
    "macrophage",
    "mitotic_figure",
    "vascular_endothelium",
    "myoepithelium",
    "apoptotic_body",
    "neutrophil",
    "ductal_epithelium",
    "eosinophil",
    "unlabeled",
)
_COLUMNS = ("raw_classification", "type", "coords_x", "coords_y")
_FOLD = re.compile(r"fold_([1-5])_test\.csv")
_PATIENT = re.compile(r"TCGA-\w\w-\w{4}")
Boxes = Literal["ignore", "ellipse", "rectangle"]


class NuCLS:
    """NuCLS as published: ``rgb/<fov>.png``, ``csv/<fov>.csv``, ``mask/<fov>.png``.

    Nuclei are outlined or only boxed. What lies outside the field of view that was annotated (0 in
    the first channel of the mask) is ignored. The published part of an item is the fold of
    ``train_test_splits`` that tests its slide, the group its patient.

    Args:
        boxes: What a box becomes: ``ignore`` neither trains nor scores what is in it; ``ellipse``
            is the nucleus that fits in it; ``rectangle`` is the box itself, as in the masks.
        mpp: Micrometres per pixel.

    Raises:
        ValueError: If ``boxes`` is another word.

    Source:
        https://sites.google.com/view/nucls/data-format; the names of the raw classes, in the order
        of their codes, from PathologyDataScience/NuCLS ``configs/nucleus_GTcodes.csv``.
    """

    def __init__(self, boxes: Boxes = "ignore", mpp: float | None = 0.2) -> None:
        if boxes not in ("ignore", "ellipse", "rectangle"):
            raise ValueError(f"boxes is {boxes!r}; expected ignore, ellipse or rectangle")
        self.boxes, self.mpp = boxes, mpp

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the fields of view: see `histoseg.prepare.Source`."""
        folders = sorted(p for p in raw.rglob("rgb") if (p.parent / "csv").is_dir())
        if not folders:
            raise DatasetNotFoundError(f"there are no folders rgb and csv side by side in {raw}")
        root = folders[0].parent
        images = stems(root / "rgb")
        tables = stems(root / "csv", (".csv",))
        masks = stems(root / "mask", (".png",)) if (root / "mask").is_dir() else None
        folds = _folds(root / "train_test_splits")
        for name in sorted(images.keys() | tables.keys()):
            if name.upper() != "ALL_FOV_LOCATIONS":  # a table of the whole set
                files = tuple(f[name] for f in (images, masks or {}, tables) if name in f)
                yield RawItem(name, files, partial(self._read, name, images, tables, masks, folds))

    def _read(
        self,
        name: str,
        images: Mapping[str, Path],
        tables: Mapping[str, Path],
        masks: Mapping[str, Path] | None,
        folds: Mapping[str, str],
    ) -> Item:
        for files, folder in ((images, "rgb"), (tables, "csv"), (masks, "mask")):
            if files is not None and name not in files:
                raise UnreadableFileError(f"{name} has no file in {folder}")
        image = read_image(images[name], upright=False)
        size = (image.shape[0], image.shape[1])
        shapes, boxes, dropped = _shapes(tables[name])
        if self.boxes != "ignore":
            shapes, boxes = [*shapes, *(_drawn(b, self.boxes) for b in boxes)], []
        maps = rasterise(shapes, _class_of, size)
        ignore, unknown = _ignored(boxes, maps, masks[name] if masks else None, size)
        patient = _PATIENT.search(name)
        return Item(
            id=name,
            image=image,
            instances=maps.instances,
            semantic=maps.semantic,
            split=folds.get(name.split("_id")[0], ""),
            group=patient[0] if patient else name,
            tissue="breast",
            mpp=self.mpp,
            ignore=ignore,
            dropped=(*dropped, *maps.dropped, *unknown),
        )


def _shapes(path: Path) -> tuple[list[Shape], list[Shape], list[Dropped]]:
    """The outlined nuclei, the boxed ones, and the lines that hold neither."""
    outlined: list[Shape] = []
    boxed: list[Shape] = []
    dropped: list[Dropped] = []
    for number, row in enumerate(read_table(path, _COLUMNS), start=2):
        where, label = f"line {number}", row["raw_classification"].removeprefix("correction_")
        try:
            x, y = (np.array(row[c].split(","), dtype=np.float64) for c in ("coords_x", "coords_y"))
            points = np.stack([x, y], axis=1)
        except ValueError as error:
            dropped.append(Dropped(where, f"its coordinates are damaged: {error}"))
            continue
        if len(points) < 3 or not np.isfinite(points).all():
            dropped.append(Dropped(where, f"{len(points)} points, or NaN, outline nothing"))
            continue
        shape = Shape("polygon", points, label=label, where=where)
        (boxed if row["type"] == "rectangle" else outlined).append(shape)
    return outlined, boxed, dropped


def _drawn(box: Shape, how: Boxes) -> Shape:
    if how == "rectangle":
        return box
    low, high = box.exterior_xy.min(axis=0), box.exterior_xy.max(axis=0)
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    points = (low + high) / 2 + circle * (high - low + 1) / 2  # to the edge of the outer pixels
    return Shape("polygon", points, label=box.label, where=box.where)


def _class_of(shape: Shape) -> int | None:
    return 1 + CLASSES.index(shape.label) if shape.label in CLASSES else None


def _ignored(
    boxes: list[Shape], maps: Rasterised, mask: Path | None, size: tuple[int, int]
) -> tuple[Array | None, tuple[Dropped, ...]]:
    """Pixels of boxes that no outline claims, and those outside the field of view."""
    ignore = rasterise(boxes, None, size).instances > 0
    dropped = tuple(Dropped(box.where, "only a box: its pixels are ignored") for box in boxes)
    if mask is None:
        why = "no mask: what lies outside of it is scored as if nothing were there"
        dropped = (*dropped, Dropped("field of view", why))
    else:
        codes = read_image(mask, upright=False)[..., 0]
        if codes.shape != size:
            raise UnreadableFileError(f"{mask} is {codes.shape}, its image {size} (height, width)")
        ignore |= codes == 0
    ignore &= maps.instances == 0
    return (ignore if ignore.any() else None), dropped


def _folds(folder: Path) -> dict[str, str]:
    """Slide -> ``fold<k>`` that tests it."""
    folds = {}
    for path in sorted(folder.glob("fold_*_test.csv")):
        match = _FOLD.fullmatch(path.name)
        if match:
            rows = read_table(path, ("slide_name",))
            folds.update({row["slide_name"]: f"fold{match[1]}" for row in rows})
    return folds
