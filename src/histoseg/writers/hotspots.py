"""Hotspots as annotations for viewers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from histoseg.writers.files import whole_file
from histoseg.writers.geojson import NAMESPACE
from histoseg.writers.sedeen_session import quoted, sedeen_session

Box = tuple[int, int, int, int]
PENS = ((255, 255, 0), (255, 0, 0), (0, 0, 255), (170, 0, 255), (0, 255, 0), (0, 0, 0))
"""Yellow, red, blue, violet, green, black: the order of the fork for IHC; then again."""
CLASS = {"name": "Hotspot", "color": [255, 200, 0]}


@dataclass(frozen=True)
class Marked:
    """A rectangle to show.

    Attributes:
        name: What it is called: ``top1``.
        box: (left, top, right, bottom), px from the upper left corner; right and bottom exclusive.
        measurements: Numbers by name.
    """

    name: str
    box: Box
    measurements: Mapping[str, float]


def pen(number: int) -> tuple[int, int, int]:
    """Colour of the hotspot of this number, from 0."""
    return PENS[number % len(PENS)]


def write_hotspots_geojson(
    path: Path, image: str, marked: Sequence[Marked], origin: tuple[int, int] = (0, 0)
) -> Path:
    """Write hotspots as locked annotations for QuPath, with their numbers as measurements.

    Args:
        path: The file.
        image: Name of the image, from which ids are made.
        marked: The hotspots.
        origin: Left and top edge of the scanned part of a slide, from which QuPath counts.

    Raises:
        OSError: If it cannot be written.
    """
    with whole_file(path) as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for number, one in enumerate(marked):
            corners = [[x - origin[0], y - origin[1]] for x, y in _corners(one.box)]
            feature = {
                "type": "Feature",
                "id": str(uuid.uuid5(NAMESPACE, f"{image}/hotspot/{one.name}")),
                "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
                "properties": {
                    "objectType": "annotation",
                    "name": one.name,
                    "color": list(pen(number)),
                    "isLocked": True,
                    "classification": CLASS,
                    "measurements": {k: v for k, v in one.measurements.items() if v == v},
                },
            }
            file.write((b",\n" if number else b"\n") + orjson.dumps(feature))
        file.write(b"\n]}\n")
    return path


def write_hotspots_sedeen(
    path: Path, image: str, size: tuple[int, int], mpp: float | None, marked: Sequence[Marked]
) -> Path:
    """Write hotspots as rectangles for the Sedeen viewer.

    Args:
        path: The file.
        image: Name of the image file.
        size: (height, width) of the image.
        mpp: Micrometres per pixel; without, 1 is written.
        marked: The hotspots; the name is the description.

    Raises:
        OSError: If it cannot be written.

    Source:
        Corner order, descriptions and pens of martellab-sri/Nuclei-HoverNet.
    """
    with sedeen_session(path, image, size, mpp or 1.0) as file:
        for number, one in enumerate(marked):
            points = "".join(f"<point>{x},{y}</point>" for x, y in _corners(one.box))
            red, green, blue = pen(number)
            file.write(
                f'<graphic type="rectangle" name={quoted(f"Region {number}")} '
                f"description={quoted(one.name)}>"
                f'<pen color="#{red:02x}{green:02x}{blue:02x}ff" width="3" style="Solid"/>'
                f"<font>Arial;12</font><point-list>{points}</point-list></graphic>\n".encode()
            )
    return path


def _corners(box: Box) -> list[list[int]]:
    """Upper left, upper right, lower right, lower left."""
    left, top, right, bottom = box
    return [[left, top], [right, top], [right, bottom], [left, bottom]]
