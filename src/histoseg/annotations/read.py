"""Any annotation file, by what it holds."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from histoseg.annotations import aperio, asap, coco, geojson, hovernet_json, sedeen
from histoseg.annotations.container import is_zip_of
from histoseg.annotations.drawing import Drawing
from histoseg.annotations.imagej import read_imagej
from histoseg.annotations.json_file import BOM, read_json
from histoseg.annotations.xml_file import read_xml
from histoseg.errors import UnreadableFileError

KINDS = "Sedeen, ASAP or Aperio XML, GeoJSON, COCO or HoVer-Net JSON, or ImageJ ROI (.roi, .zip)"
DRAWING_SUFFIXES = (".xml", ".json", ".geojson", ".gz", ".zip", ".roi")
JSON = (".json", ".geojson")
UTF16, GZIP, ZIP, ROI = (b"\xff\xfe", b"\xfe\xff"), b"\x1f\x8b", b"PK", b"Iout"


def read_drawing(path: Path, image: str | None = None) -> Drawing:
    """Read what was drawn on one image; the kind of file is seen from its content.

    Args:
        path: Sedeen, ASAP or Aperio XML; GeoJSON, COCO or HoVer-Net JSON, plain, packed by gzip or
            alone in a zip; ImageJ ROI or a zip of them.
        image: Name of the image, with or without suffix, where the file holds several.

    Returns:
        Its objects in house coordinates, and what was dropped.

    Raises:
        UnreadableFileError: If it cannot be read, or does not say which image is meant; names the
            file and the place in it.
    """
    drawings = read_drawings(path)
    if len(drawings) == 1:
        return next(iter(drawings.values()))
    wanted = [d for name, d in drawings.items() if image in (name, PurePosixPath(name).stem)]
    if len(wanted) != 1:
        raise UnreadableFileError(
            f"{path} holds {len(drawings)} images, {list(drawings)[:5]}; expected one {image!r}"
        )
    return wanted[0]


def read_drawings(path: Path) -> dict[str, Drawing]:
    """Read what was drawn on each image of a file: `read_drawing` of all.

    Args:
        path: As in `read_drawing`. COCO and Sedeen name their images; a file of another kind holds
            one, named after the file.

    Returns:
        By name of the image.

    Raises:
        UnreadableFileError: If it cannot be read.
    """
    start = _start(path)
    text = start.removeprefix(BOM).lstrip()
    if start.startswith(ROI) or (start.startswith(ZIP) and not is_zip_of(path, JSON)):
        return {path.name: read_imagej(path)}
    if text.startswith(b"<") or (start.startswith(UTF16) and b"<" in start[2:4]):
        return _of_xml(path)
    if start.startswith((GZIP, ZIP, *UTF16)) or text.startswith((b"{", b"[")):
        return _of_json(path, read_json(path))
    raise UnreadableFileError(f"{path} starts with {start[:8]!r}; expected {KINDS}")


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}") from error
    if not start:
        raise UnreadableFileError(f"{path} is empty (0 bytes): export it again")
    return start


def _of_xml(path: Path) -> dict[str, Drawing]:
    root = read_xml(path)
    if root.tag == "session":
        return sedeen.drawings_of(root, path)
    if root.tag == "ASAP_Annotations":
        return {path.name: asap.drawing_of(root)}
    if root.tag == "Annotations":
        return {path.name: aperio.drawing_of(root)}
    raise UnreadableFileError(
        f"{path}: its root is <{root.tag}>, expected <session> (Sedeen), <ASAP_Annotations> or "
        "<Annotations> (Aperio)"
    )


def _of_json(path: Path, content: Any) -> dict[str, Drawing]:
    if coco.is_coco(content):
        return coco.drawings_of(content, path)
    if geojson.is_geojson(content):
        return {path.name: geojson.drawing_of(content, path)}
    if hovernet_json.is_hovernet_json(content):
        return {path.name: hovernet_json.drawing_of(content, path)}
    raise UnreadableFileError(
        f"{path} is JSON, but not GeoJSON (type FeatureCollection or Feature), COCO (images, "
        "annotations) or HoVer-Net's (nuc)"
    )
