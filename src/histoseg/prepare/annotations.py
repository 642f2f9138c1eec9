from __future__ import annotations

import glob
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, get_args

from histoseg.annotations import LABEL_SUFFIXES, OBJECT_SUFFIXES, Drawing, Overlap, read_drawings
from histoseg.errors import ContractError, DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.class_names import Classes, ClassNames, Said
from histoseg.prepare.item import Item, RawItem
from histoseg.prepare.own_item import Rules, read_own
from histoseg.slides import find_images

_log = logging.getLogger(__name__)
PACKED = frozenset({".session", ".ome", ".geojson", ".json"})  # before the last suffix of a name


class Claim(NamedTuple):
    """What a file is of: an image, or none for a reason; what was read already is kept."""

    stem: str
    why: str | None = None
    drawing: Drawing | None = None


class OwnAnnotations:
    """Annotations of one's own beside their images.

    A file belongs to the image of the same stem (``a.session.xml``, ``a.geojson.gz`` and
    ``a.json`` to ``a.png``), else to the images that it names itself (COCO, Sedeen). Images without
    annotations are left out, with a warning.

    Args:
        annotations: A file, a folder, or a pattern; what `histoseg.annotations.read_objects` reads.
        images: A folder, a file or a pattern of pictures.
        classes: As in `ClassNames`; None or empty for nuclei without classes.
        unwanted: As in `ClassNames`.
        unknown: What becomes of an object of another class: "drop" leaves it out and reports it,
            "error" refuses the whole item.
        overlap: As in `histoseg.annotations.rasterise`.
        regions: Whether what was drawn around three or more other objects is an object too.
        group_pattern: Regular expression whose first match in a stem is the group (patient, slide)
            that must not straddle splits. None: each image is its own group.
        mpp: Micrometres per pixel of the images; None takes what the files say.

    Raises:
        ContractError: If ``annotations`` or ``images`` is missing.
        ValueError: If ``classes`` contradict themselves, or a setting is none of its choices.
    """

    def __init__(
        self,
        annotations: str | Path | None,
        images: str | Path | None,
        classes: Classes | None = None,
        unwanted: Sequence[Said] = (),
        unknown: Literal["drop", "error"] = "drop",
        overlap: Overlap = "smaller",
        regions: bool = False,
        group_pattern: str | None = None,
        mpp: float | None = None,
    ) -> None:
        if annotations is None or images is None:
            raise ContractError(
                "own annotations need annotations=<file, folder or glob> images=<folder>"
            )
        self.annotations, self.images = str(annotations), str(images)
        self.group_pattern = group_pattern
        _check_choice("unknown", unknown, ("drop", "error"))
        _check_choice("overlap", overlap, get_args(Overlap))
        if mpp is not None and not (mpp > 0 and math.isfinite(mpp)):
            raise ValueError(f"mpp={mpp}: expected micrometres per pixel, above 0")
        names = ClassNames(classes, unwanted) if classes else None
        self._rules = Rules(names, unknown, overlap, regions, mpp)

    def items(self, raw: Path) -> Iterator[RawItem]:
        """Find the annotated images: see `histoseg.prepare.Source`. ``raw`` is not looked at."""
        try:
            images = {path.stem: path for path in find_images(self.images)}
        except FileNotFoundError as error:
            raise DatasetNotFoundError(str(error)) from error
        taken: dict[str, Path] = {}
        for path in _files(self.annotations, set(images.values())):
            for stem, why, drawing in _claims(path, images):
                if why is None and stem in taken:
                    why = f"{taken[stem].name} and {path.name} both are of image {stem}"
                if why is not None:
                    yield RawItem(f"{stem} ({path.name})", (path,), _refuse(why))
                    continue
                taken[stem] = path
                group = self._group(stem)
                read = partial(read_own, path, images[stem], drawing, group, self._rules)
                yield RawItem(stem, (images[stem], path), read)
        left = sorted(set(images) - set(taken))
        if left:
            _log.warning("%d images have no annotations and are left out: %s", len(left), left[:5])

    def _group(self, stem: str) -> str:
        if self.group_pattern is None:
            return ""
        match = re.search(self.group_pattern, stem)
        if match is None:
            raise ContractError(f"group_pattern {self.group_pattern!r} finds no group in {stem!r}")
        return match[0]


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value}: expected one of {', '.join(choices)}")


def _files(source: str, images: set[Path]) -> list[Path]:
    path = Path(source)
    if path.is_file():
        return [path]
    pattern = str(path / "*") if path.is_dir() else source
    found = [Path(p) for p in glob.glob(pattern, recursive=True)]  # noqa: PTH207  Path.glob takes no absolute pattern
    usable = sorted(
        p for p in found if p.suffix.lower() in OBJECT_SUFFIXES and p.is_file() and p not in images
    )
    if not usable:
        raise DatasetNotFoundError(
            f"no annotations in {source} (seen from {Path.cwd()}); they end in "
            f"{' '.join(OBJECT_SUFFIXES)}"
        )
    return usable


def _claims(path: Path, images: dict[str, Path]) -> Iterable[Claim]:
    stem = _stem(path)
    if stem in images:
        return [Claim(stem)]
    missing = f"{path}: there is no image called {stem}"
    if path.suffix.lower() in LABEL_SUFFIXES:
        return [Claim(stem, missing)]
    try:
        drawings = read_drawings(path)
    except UnreadableFileError as error:
        return [Claim(stem, str(error))]
    claims = []
    for name, drawing in drawings.items():
        inside = PurePosixPath(name.replace("\\", "/")).stem
        if name == path.name:  # the file names no image
            claims.append(Claim(stem, missing))
        elif inside in images:
            claims.append(Claim(inside, None, drawing))
        else:
            claims.append(Claim(inside, f"{path} is of {name!r}; there is no such image"))
    return claims


def _stem(path: Path) -> str:
    """Name without suffixes, also of a.session.xml and a.geojson.gz; dots in it stay."""
    stem = PurePosixPath(path.stem)
    while stem.suffix.lower() in PACKED:
        stem = PurePosixPath(stem.stem)
    return str(stem)


def _refuse(why: str) -> Callable[[], Item]:
    def read() -> Item:
        raise UnreadableFileError(why)

    return read
