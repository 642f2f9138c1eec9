from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from histoseg.annotations import Dropped
from histoseg.contracts import Array
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.item import Item, RawItem
from histoseg.slides import read_image

CODES = {0: "stroma", 1: "epithelium", 2: "other"}
CLASSES = tuple(CODES.values())
SIDE_UM = 100.0


class EndoNuke:
    """EndoNuke: ``images/<id>.png`` and points in ``labels/<study>/<annotator>/<id>.txt``.

    Every tile is 100 x 100 micrometres, at two resolutions, which follow from its size in pixels.
    The published part of an item is its annotator, the group its tile.

    Args:
        study: ``bulk``, or one of the agreement studies, in which all annotate the same tiles.
        annotators: Whose points; None for all. Where several have annotated a tile, each gives an
            item ``<id>_<annotator>``.
        codes: What the numbers of the files mean.
        classes: Names of classes 1..K, in which points are stored.

    Raises:
        ValueError: If a code means none of ``classes``.

    Source:
        ispras/endometrium-dataset-analysis (``load_keypoints``) for the lines "x y class", and
        dataset-ninja/endonuke for what the classes are; see docs/data/endonuke.md.
    """

    def __init__(
        self,
        study: str = "bulk",
        annotators: Sequence[str] | None = None,
        codes: Mapping[int, str] = CODES,
        classes: Sequence[str] = CLASSES,
    ) -> None:
        if unknown := set(codes.values()) - set(classes):
            raise ValueError(f"codes lead to {sorted(unknown)}; the classes are {list(classes)}")
        self.study, self.annotators = study, annotators
        self._class_of = {code: 1 + list(classes).index(name) for code, name in codes.items()}

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the tiles: see `histoseg.prepare.Source`."""
        studies = [p for p in sorted(raw.rglob(self.study)) if p.parent.name == "labels"]
        found = sorted(studies[0].glob("*/*.txt")) if studies else []
        files = [p for p in found if p.name[0] != "."]
        if self.annotators is not None:
            files = [p for p in files if p.parent.name in self.annotators]
        if not files:
            who = f" of {list(self.annotators)}" if self.annotators is not None else ""
            raise DatasetNotFoundError(
                f"there is no labels/{self.study}/<annotator>/<id>.txt{who} in {raw}"
            )
        images = studies[0].parent.parent / "images"
        times = Counter(path.stem for path in files)
        for path in files:
            who = path.parent.name
            name = path.stem if times[path.stem] == 1 else f"{path.stem}_{who}"
            image = images / f"{path.stem}.png"
            there = (image, path) if image.is_file() else (path,)
            yield RawItem(name, there, partial(_read, name, image, path, self._class_of))


def _read(name: str, picture: Path, path: Path, class_of: Mapping[int, int]) -> Item:
    if not picture.is_file():
        raise UnreadableFileError(f"{path} has no images/{picture.name}")
    image = read_image(picture, upright=False)
    height, width = image.shape[:2]
    if height != width:
        raise UnreadableFileError(
            f"{picture} is {width} x {height} pixels; every tile shows 100 x 100 micrometres"
        )
    points, lines = _points(path, class_of)
    inside = ((points[:, :2] >= 0) & (points[:, :2] < width)).all(axis=1)
    return Item(
        id=name,
        image=image,
        instances=np.zeros((height, width), dtype=np.int32),
        split=path.parent.name,
        group=path.stem,
        tissue="endometrium",
        mpp=SIDE_UM / width,
        points=points[inside],
        dropped=tuple(Dropped(f"line {n}", "outside the image") for n in lines[~inside].tolist()),
    )


def _points(path: Path, class_of: Mapping[int, int]) -> tuple[Array, Array]:
    """x, y and class 1..K, (N, 3); and the line of each, (N,)."""
    rows, lines = [], []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            x, y, kind = (float(word) for word in words)
        except ValueError as error:
            raise UnreadableFileError(
                f"{path}, line {number}, is {line[:40]!r}; expected x, y and class"
            ) from error
        if not (np.isfinite([x, y]).all() and kind in class_of):
            raise UnreadableFileError(
                f"{path}, line {number}: {line[:40]!r} has no class of {sorted(class_of)} or no "
                "place. Other numbers are named by prepare.source.codes={number: class}"
            )
        rows.append((x, y, class_of[int(kind)]))
        lines.append(number)
    return np.array(rows, dtype=np.float64).reshape(-1, 3), np.array(lines, dtype=np.int64)
