"""The tissue mask as files: PNG, GeoJSON, and drawn on a thumbnail."""

from __future__ import annotations

import uuid
from pathlib import Path

import cv2
import numpy as np
import orjson

from histoseg.contracts import Array
from histoseg.slides import Slide, TissueMask
from histoseg.writers import write_png
from histoseg.writers.files import result_path, whole_file

THUMBNAIL = 2048
"""Longer side of thumbnails, pixels."""
GREEN = (0, 160, 0)


def write_mask(folder: Path, name: str, slide: Slide, mask: TissueMask) -> list[Path]:
    """Write a mask as PNG (255 is tissue) and as annotations for QuPath.

    Returns:
        ``mask/{name}.png`` and ``mask/{name}.geojson`` below the folder.

    Raises:
        OSError: If they cannot be written.
    """
    picture = np.repeat(mask.inside[..., None], 3, axis=2).astype(np.uint8) * np.uint8(255)
    path = result_path(folder, name, "mask", ".geojson")
    features = [
        {
            "type": "Feature",
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name} tissue {number}")),
            "geometry": {"type": "Polygon", "coordinates": rings},
            "properties": {
                "objectType": "annotation",
                "classification": {"name": "Tissue", "color": list(GREEN)},
            },
        }
        for number, rings in enumerate(_polygons(mask, slide))
    ]
    with whole_file(path) as file:
        file.write(orjson.dumps({"type": "FeatureCollection", "features": features}))
    return [write_png(result_path(folder, name, "mask", ".png"), picture), path]


def write_thumbnail(folder: Path, name: str, thumbnail: Array, mask: TissueMask) -> Path:
    """Write a picture of the slide with the border of its mask.

    Returns:
        ``thumb/{name}.png`` below the folder.

    Raises:
        OSError: If it cannot be written.
    """
    height, width = thumbnail.shape[:2]
    inside = cv2.resize(
        mask.inside.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
    )
    borders, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = np.ascontiguousarray(thumbnail)
    return write_png(
        result_path(folder, name, "thumb", ".png"),
        np.asarray(cv2.drawContours(drawn.copy(), borders, -1, GREEN, 2)),
    )


def _polygons(mask: TissueMask, slide: Slide) -> list[list[list[list[float]]]]:
    """Rings of each piece, outline first, in level-0 pixels from the corner of what was scanned.

    The mask is drawn at twice its size, so that a piece one pixel wide has an area.
    """
    twice = mask.inside.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)
    borders, tree = cv2.findContours(twice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array(slide.bounds[:2])
    rings = []
    for border in borders:
        points = (border[:, 0] + 0.5) / 2 * np.array(mask.scale) - corner
        rings.append([*points.round(2).tolist(), points[0].round(2).tolist()])
    parents = tree[0][:, 3].tolist() if rings else []
    outer = {i: [rings[i]] for i, parent in enumerate(parents) if parent < 0}
    for i, parent in enumerate(parents):
        if parent >= 0 and len(rings[i]) > 3:
            outer[parent].append(rings[i])
    return [polygon for polygon in outer.values() if len(polygon[0]) > 3]
