"""The nuclei of one slide with all that is known around them, in pixels of its full size."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from histoseg.analysis import Region
from histoseg.analysis.density import pixels_of
from histoseg.annotations import (
    DRAWING_SUFFIXES,
    POINT_SUFFIXES,
    Points,
    Shape,
    read_drawing,
    read_points,
)
from histoseg.contracts import Array
from histoseg.errors import ContractError, DatasetNotFoundError, SlideError, UnreadableFileError
from histoseg.slides import IMAGE_SUFFIXES, SLIDE_SUFFIXES, Slide, TissueFinder, TissueMask
from histoseg.slides import open_slide as open_image
from histoseg.slides.slide import slide_name

log = logging.getLogger(__name__)
OUTSIDE = 0.01
"""Share of nuclei beyond the image that is taken for rounding, not for another image."""
SAME_MPP = 0.02
MASK_SIDE = 4096  # pixels of a mask made of outlines, along its longer side
ENDINGS = (".gz", ".geojson", ".json", ".csv", ".session.xml", ".xml", ".zip", ".roi")


@dataclass(frozen=True)
class Given:
    """Files about one slide."""

    name: str
    nuclei: Path
    image: Path | None = None
    tissue: Path | None = None
    regions: Path | None = None


@dataclass(frozen=True)
class SlideNuclei:
    """Nuclei of a slide.

    Attributes:
        name: Of the slide.
        xy: (N, 2): centres, px at full size, pixel centres on integers, all in the image.
        kinds: (N,), 0..K.
        classes: Names of classes 1..K.
        size: (height, width) of the image.
        area_of: What the size is of: ``image``, or the ``extent of the nuclei`` where unknown.
        mpp: Micrometres per pixel; None where unknown.
        slide: The image, where given.
        tissue: Where was counted, where given.
        regions: Outlines to report.
    """

    name: str
    xy: Array
    kinds: Array
    classes: tuple[str, ...]
    size: tuple[int, int]
    area_of: str
    mpp: float | None = None
    slide: Slide | None = None
    tissue: TissueMask | None = None
    regions: tuple[Region, ...] = ()

    @property
    def origin(self) -> tuple[int, int]:
        """Where QuPath's coordinates start."""
        return (0, 0) if self.slide is None else self.slide.bounds[:2]


def find_given(cfg: Any) -> list[Given]:
    """List the files of each slide.

    Raises:
        DatasetNotFoundError: If there is none, or something given has no file for one of them.
        ValueError: If two files have one name.
    """
    files = _files(Path(cfg.input))
    names = [name_of(path) for path in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"input={cfg.input}: several files are called {twice[0]}: results would overwrite each"
            " other. Give a folder of one kind"
        )
    one = len(files) == 1 and Path(cfg.input).is_file()
    others = {
        "image": _by_name(cfg.image, (*SLIDE_SUFFIXES,), one),
        "tissue": None if cfg.tissue == "auto" else _by_name(cfg.tissue, MASKS, one),
        "regions": _by_name(cfg.regions, DRAWING_SUFFIXES, one),
    }
    found = []
    for name, path in zip(names, files, strict=True):
        mine = {key: by.get(name, by.get("")) for key, by in others.items() if by is not None}
        for key, other in mine.items():
            if other is None and key != "regions":
                there = ", ".join(sorted(others[key] or {})[:5]) or "none of its kind"
                raise DatasetNotFoundError(
                    f"{key}={cfg[key]} has no file for {name}; it has {there}"
                )
        found.append(Given(name, path, **mine))
    return found


MASKS = (*IMAGE_SUFFIXES, *DRAWING_SUFFIXES)


def name_of(path: Path) -> str:
    """Name of the slide that a file is about: its own without all endings that formats have.

    Example:
        >>> name_of(Path("a.1.session.xml")), name_of(Path("a.1.ome.tif"))
        ('a.1', 'a.1')
    """
    name = path.name
    for ending in ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
    return slide_name(path) if name == path.name else name


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise DatasetNotFoundError(f"input={source}: there is no such file or folder")
    files = [p for p in sorted(source.iterdir()) if p.name.lower().endswith(POINT_SUFFIXES)]
    files = [p for p in files if p.is_file() and not p.name.startswith(".")]
    if not files:
        below = [p.name for p in sorted(source.iterdir()) if p.is_dir()]
        hint = f"; its folders are {', '.join(below)}: give one of them" if below else ""
        raise DatasetNotFoundError(
            f"input={source}: no file ends in {', '.join(POINT_SUFFIXES)}{hint}"
        )
    return files


def _by_name(given: Any, suffixes: tuple[str, ...], one: bool) -> dict[str, Path] | None:
    """Files of a folder by name of the slide; a file by "" where there is one slide."""
    if given is None:
        return None
    path = Path(given)
    if path.is_file():
        if not one:
            raise ContractError(f"{path} is one file for several slides: give a folder of files")
        return {"": path}
    if not path.is_dir():
        raise DatasetNotFoundError(f"{path}: there is no such file or folder")
    return {name_of(p): p for p in sorted(path.iterdir()) if p.name.lower().endswith(suffixes)}


def load_nuclei(given: Given, cfg: Any, classes: Sequence[str] | None) -> SlideNuclei:
    """Read everything about a slide and bring it to pixels of its full size.

    Args:
        given: Its files.
        cfg: Composed from ``conf/analyse.yaml``.
        classes: Names of classes 1..K; None takes those of the file.

    Raises:
        ContractError: If a class is unknown, or the image is of something else.
        SlideError: If tissue does not fit, or the slide does not say what is needed.
        UnreadableFileError: If a file cannot be read, or holds no nuclei.
    """
    points = read_points(given.nuclei)
    for why in points.left_out[:3]:
        log.warning("%s: left out %s", given.name, why)
    if not len(points):
        raise UnreadableFileError(f"{given.nuclei} holds no nuclei: there is nothing to analyse")
    slide = None if given.image is None else open_image(given.image, mpp=cfg.mpp)
    mpp = _mpp(cfg, slide, points)
    xy = _at_full_size(given, points, slide, mpp)
    size, area_of = _size(cfg, slide, points, xy)
    names = tuple(points.labels if classes is None else classes)
    kinds = points.kinds if classes is None else points.numbered(names)
    if (kinds < 0).any():
        unknown = [label for label in points.labels if label not in names]
        raise ContractError(
            f"{given.nuclei} has a class {unknown[0]!r}; classes are {', '.join(names)}"
        )
    whole = SlideNuclei(given.name, xy, kinds, names, size, area_of, mpp, slide)
    return _with_outlines(_inside(whole, given), given, cfg)


def _mpp(cfg: Any, slide: Slide | None, points: Points) -> float | None:
    if cfg.mpp is not None:
        return float(cfg.mpp)
    if slide is not None and slide.mpp is not None:
        return float(np.sqrt(slide.mpp[0] * slide.mpp[1]))
    return points.mpp


def _at_full_size(given: Given, points: Points, slide: Slide | None, mpp: float | None) -> Array:
    """HoVer-Net's files of slides are at the model's resolution; QuPath counts from bounds."""
    xy = points.xy
    if slide is None:
        return xy
    if points.mpp is not None and mpp is not None and abs(points.mpp / mpp - 1) > SAME_MPP:
        log.info("%s: nuclei at %g µm/px on an image of %g", given.name, points.mpp, mpp)
        xy = (xy + 0.5) * (points.mpp / mpp) - 0.5
    if ".geojson" in given.nuclei.name.lower():
        xy = xy + np.array(slide.bounds[:2])
    return xy


def _size(cfg: Any, slide: Slide | None, points: Points, xy: Array) -> tuple[tuple[int, int], str]:
    if slide is not None:
        return slide.size, "image"
    if cfg.size is not None:
        return (int(cfg.size[0]), int(cfg.size[1])), "image"
    if points.size is not None:
        return points.size, "image"
    width, height = np.maximum(pixels_of(xy).max(axis=0) + 1, 1).tolist()
    return (height, width), "extent of the nuclei"


def _inside(nuclei: SlideNuclei, given: Given) -> SlideNuclei:
    pixels, (height, width) = pixels_of(nuclei.xy), nuclei.size
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    outside, number = int((~inside).sum()), len(nuclei.xy)
    if outside > OUTSIDE * number:
        raise ContractError(
            f"{outside} of {number} nuclei of {given.nuclei} lie outside the image of"
            f" {width} x {height} px{f' ({given.image})' if given.image else ''}: it is another"
            " image, or at another resolution (mpp=)"
        )
    if outside:
        log.warning("%s: %d nuclei beyond the border are left out", given.name, outside)
    return replace(nuclei, xy=nuclei.xy[inside], kinds=nuclei.kinds[inside])


def _with_outlines(nuclei: SlideNuclei, given: Given, cfg: Any) -> SlideNuclei:
    regions = () if given.regions is None else _regions(given.regions, nuclei.origin)
    tissue = _tissue(nuclei, given, cfg)
    if tissue is None:
        return replace(nuclei, regions=regions)
    column, row = (np.floor((nuclei.xy + 0.5) / tissue.scale).astype(np.int64)).T
    rows, columns = tissue.inside.shape
    inside = tissue.inside[row.clip(0, rows - 1), column.clip(0, columns - 1)]
    if not inside.all():
        log.info("%s: %d nuclei lie beyond the tissue", given.name, int((~inside).sum()))
    if not inside.any():
        raise ContractError(f"{given.name}: no nucleus lies in the tissue of {given.tissue}")
    xy, kinds = nuclei.xy[inside], nuclei.kinds[inside]
    return replace(nuclei, xy=xy, kinds=kinds, tissue=tissue, regions=regions)


def _tissue(nuclei: SlideNuclei, given: Given, cfg: Any) -> TissueMask | None:
    if cfg.tissue == "auto":
        if nuclei.slide is None:
            raise SlideError("tissue=auto looks for tissue on the slide: give image=")
        return TissueFinder()(nuclei.slide)
    if given.tissue is None:
        return None
    if given.tissue.name.lower().endswith(IMAGE_SUFFIXES):
        if nuclei.area_of != "image":
            raise SlideError(
                f"{given.tissue} covers a slide whose size nothing says: give image= or size="
            )
        return TissueMask.from_file(given.tissue, nuclei.size)
    regions = [region.rings for region in _regions(given.tissue, nuclei.origin)]
    step = max(1, -(-max(nuclei.size) // MASK_SIDE))
    return TissueMask.from_regions(regions, nuclei.size, step)


def _regions(path: Path, origin: tuple[int, int]) -> tuple[Region, ...]:
    shift = np.array(origin if ".geojson" in path.name.lower() else (0, 0))
    shapes: list[Shape] = [s for s in read_drawing(path).shapes if s.kind == "polygon"]
    if not shapes:
        raise UnreadableFileError(f"{path} holds no outline: expected polygons")
    names = [shape.label or "region" for shape in shapes]
    numbered = [
        f"{name} {names[:n].count(name) + 1}" if names.count(name) > 1 else name
        for n, name in enumerate(names)
    ]
    rings = ((s.exterior_xy + shift, *(hole + shift for hole in s.holes_xy)) for s in shapes)
    return tuple(Region(name, tuple(r)) for name, r in zip(numbered, rings, strict=True))
