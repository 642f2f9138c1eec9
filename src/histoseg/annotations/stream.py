from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histoseg.annotations import coco, geojson, hovernet_json
from histoseg.annotations.collect import Collector
from histoseg.annotations.container import is_zip_of
from histoseg.annotations.drawing import Drawing, Dropped, Shape
from histoseg.annotations.read import read_drawings
from histoseg.errors import UnreadableFileError
from histoseg.ops.json_stream import BOM, Member, parsed, stream_json

NO_CLASS = "nucleus"  # category 0 of our COCO files
GZIP = b"\x1f\x8b"
FACTS = {"": set(), "features": set(), "nuc": {"mag"}, "annotations": {"images", "categories"}}
LISTS = frozenset(FACTS)
SUFFIXES = re.compile(
    r"(?<=.)(\.session|\.ome)?\.(geojson|json|xml|roi|zip|npy|mat|tiff?|png|jpe?g|bmp|svs|ndpi|mrxs|"
    r"scn|bif|vms|svslide|dcm)(\.gz|\.zip)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DrawingStream:
    """What was drawn on one image, object by object.

    Attributes:
        name: Of the image, without suffix, where the file says it; else of the file.
        objects: Its objects and what was dropped, in the order of the file; can be read once.
        size: (height, width) of the image, where the file says it.
        mpp: Micrometres per pixel, where the file says it.
        classes: Labels in the file's own order, where it lists them before use.
    """

    name: str
    objects: Iterator[Shape | Dropped]
    size: tuple[int, int] | None = None
    mpp: float | None = None
    classes: tuple[str, ...] = ()


def stream_drawings(path: Path) -> Iterator[DrawingStream]:
    """Read what was drawn on each image of a file, as `read_drawings`, in little memory.

    GeoJSON, HoVer-Net JSON and COCO of one image, plain or packed by gzip, are read object by
    object. Other files are read whole.

    Args:
        path: As of `read_drawing`.

    Yields:
        One for each image. Use up its objects before the next.

    Raises:
        UnreadableFileError: If it cannot be read; also later, where the damage is.
    """
    stream = _json(path) if _is_json(path) else None
    if stream is not None:
        yield stream
        return
    for name, drawing in read_drawings(path).items():
        yield _whole(path if name == path.name else Path(name), drawing)


def stem(path: Path) -> str:
    """Name of a file without the suffixes of annotation files, pictures and slides.

    Example:
        >>> stem(Path("a.b.geojson.gz")), stem(Path("c.session.xml")), stem(Path("d.ome.tif"))
        ('a.b', 'c', 'd')
    """
    return SUFFIXES.sub("", path.name)


def _whole(path: Path, drawing: Drawing) -> DrawingStream:
    objects: Iterator[Shape | Dropped] = iter((*drawing.shapes, *drawing.dropped))
    return DrawingStream(stem(path), objects, drawing.size, drawing.mpp)


def _is_json(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}") from error
    if start.startswith(b"PK") and is_zip_of(path, (".json", ".geojson")):
        return False
    return start.startswith(GZIP) or start.removeprefix(BOM).lstrip()[:1] in (b"{", b"[")


def _json(path: Path) -> DrawingStream | None:
    """By what comes first; None where it is to be read whole."""
    facts: dict[str, Member] = {}
    kind = _kind(path, facts)
    if kind in ("features", ""):
        return DrawingStream(stem(path), _features(path))
    if kind == "nuc":
        mag = parsed(path, facts["mag"]) if "mag" in facts else None
        return DrawingStream(stem(path), _nuclei(path), mpp=hovernet_json.mpp_of(mag))
    return _coco(path, facts) if kind == "annotations" and "images" in facts else None


def _kind(path: Path, facts: dict[str, Member]) -> str | None:
    """The list that a file has; ``facts`` gets the members beside it that one has to know."""
    kind = None
    for member in stream_json(path, LISTS):
        if member.name is None:
            facts[member.key] = member
            continue
        kind = member.key
        if FACTS[kind] <= set(facts):
            break
    return kind


def _features(path: Path) -> Iterator[Shape | Dropped]:
    found = Collector()
    for member in stream_json(path, LISTS):
        if isinstance(member.name, int):
            geojson.add_feature(found, f"feature {member.name}", parsed(path, member))
            yield from found.taken()


def _nuclei(path: Path) -> Iterator[Shape | Dropped]:
    found = Collector(origin=0)
    for member in stream_json(path, LISTS):
        if isinstance(member.name, str):
            hovernet_json.add_nucleus(found, member.name, parsed(path, member))
            yield from found.taken()


def _coco(path: Path, facts: dict[str, Member]) -> DrawingStream | None:
    images = coco.by_id(parsed(path, facts["images"]), path, "images")
    if len(images) != 1:
        return None
    kinds = coco.by_id(
        parsed(path, facts["categories"]) if "categories" in facts else [], path, "categories"
    )
    if len(kinds) > 1 and kinds.get(0, {}).get("name") == NO_CLASS:
        del kinds[0]
    ((key, image),) = images.items()
    size = coco.size_of(image, path)
    classes = tuple(str(kind["name"]) for kind in kinds.values())
    name = stem(Path(str(image["file_name"])))
    return DrawingStream(name, _annotations(path, key, kinds, size), size, None, classes)


def _annotations(
    path: Path, image: Any, kinds: dict[Any, Any], size: tuple[int, int]
) -> Iterator[Shape | Dropped]:
    found = Collector()
    for member in stream_json(path, LISTS):
        if member.key == "annotations" and isinstance(member.name, int):
            annotation = parsed(path, member)
            if not isinstance(annotation, dict) or annotation.get("image_id") != image:
                raise UnreadableFileError(f"{path}, annotations[{member.name}]: of no image")
            coco.add_annotation(found, member.name, annotation, kinds, size)
            yield from found.taken()
