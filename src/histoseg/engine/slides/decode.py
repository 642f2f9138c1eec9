from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array, Instances, LabelPart, Nuclei
from histoseg.engine.slides.part import Part
from histoseg.engine.slides.parts import SEMANTIC, STAIN
from histoseg.engine.slides.stitch import covered
from histoseg.engine.slides.workers import Cost, measured
from histoseg.ops.stain_means import stain_means
from histoseg.postprocess.decoder import Decoded, Decoder, Settling
from histoseg.slides import Grid, Region

IMAGE = "image"
"""Name under which the pixels of a region go along with its maps."""
WHITE = (255, 255, 255)
DECIMALS = 6
"""Of centroids: a sum over other coordinates rounds differently in the last bits."""


@dataclass(frozen=True)
class DecodeTask:
    """A region whose maps are complete.

    Attributes:
        region: Which.
        maps: By name, each (C, h, w) of ``region.box``; with `IMAGE` the stains are measured.
        decoder: What the maps become.
        path: Of the part file.
        stamp: To write into it.
        grid: Where the tiles of the region lie.
    """

    region: Region
    maps: Mapping[str, Array]
    decoder: Decoder
    path: Path
    stamp: str
    grid: Grid


class Done(NamedTuple):
    """How many nuclei a region owns, how many of them its box cuts, and what it took."""

    nuclei: int
    cut: int
    cost: Cost


def decode(task: DecodeTask) -> Done:
    """Read the maps of a region, keep what it owns, and write its part file.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If a map is not finite.
    """
    with measured() as cost:
        maps = {name: m for name, m in task.maps.items() if name != IMAGE}
        if IMAGE in task.maps:
            maps = dict(task.decoder.with_image(maps, np.moveaxis(task.maps[IMAGE], 0, -1)))
        decoded = task.decoder(maps, settle=False)
        found, measures = decoded.instances, dict(decoded.measures)
        if found is None:
            found = Instances.none(task.region.box.height, task.region.box.width)
        elif IMAGE in task.maps:
            measures |= stain_means(np.moveaxis(task.maps[IMAGE], 0, -1), found)
        part = owned(task.region, found, measures)
        part = replace(
            part,
            corner=task.region.core[:2],
            pictures=pictures(task, decoded),
            marker_counts=_marker_counts(task, maps),
        )
        part.write(task.path, task.stamp)
    return Done(len(part.nuclei), cut(part, task.region, task.grid.size), cost())


def pictures(task: DecodeTask, decoded: Decoded) -> dict[str, Array]:
    """What a region's core shows, by name; where no tile ran it shows the background."""
    core, box = task.region.core, task.region.box
    inner = core.slices(box)
    shown = {}
    if decoded.semantic is not None:
        shown[SEMANTIC] = decoded.semantic[inner]
    if decoded.stains:
        bare = ~covered(task.grid, task.region)[inner]
        for name, picture in decoded.stains.items():
            shown[f"{STAIN}{name}"] = picture[inner].copy()
            shown[f"{STAIN}{name}"][bare] = task.decoder.backgrounds.get(name, WHITE)
    return shown


def _marker_counts(task: DecodeTask, maps: Mapping[str, Array]) -> Array | None:
    """Of the core, so that each pixel of the slide counts once."""
    if not isinstance(task.decoder.postprocess, Settling):
        return None
    inner = task.region.core.slices(task.region.box)
    return task.decoder.postprocess.marker_counts({n: m[:, *inner] for n, m in maps.items()})


def owned(region: Region, found: Instances, measures: Mapping[str, Array] | None = None) -> Part:
    """What belongs to a region of all that was found in its box.

    A nucleus belongs to the region whose core holds its first pixel: the leftmost of its topmost
    row. That is a whole number, the same in whichever region the nucleus is seen, and cores cover
    every pixel once: each nucleus is kept once.

    Args:
        region: With its halo.
        found: In pixels of ``region.box``.
        measures: As of `Nuclei`, in the order of ``found``.

    Returns:
        In pixels of the frame.
    """
    left, top = region.box.left, region.box.top
    first = _first_pixels(found)
    y, x = first // found.labels.shape[1] + top, first % found.labels.shape[1] + left
    core = region.core
    mine = (core.left <= x) & (x < core.right) & (core.top <= y) & (y < core.bottom)
    rows = np.flatnonzero(mine)
    rows = rows[np.argsort(first[rows])]
    nuclei = Nuclei.of(found, measures)[rows].shifted(left, top)
    nuclei = replace(
        nuclei,
        ids=np.arange(1, len(rows) + 1),
        centroid_xy=nuclei.centroid_xy.round(DECIMALS),
    )
    return Part(nuclei, _labels(region, found, rows))


def cut(part: Part, region: Region, size: tuple[int, int]) -> int:
    """How many nuclei reach the edge of the box of their region, where the slide goes on."""
    box, boxes = region.box, part.nuclei.box_xyxy
    reach = (boxes[:, :2] <= box[:2]) & (np.array(box[:2]) > 0)
    reach |= (boxes[:, 2:] >= box[2:]) & (np.array(box[2:]) < size[::-1])
    return int(reach.any(axis=1).sum())


def _first_pixels(found: Instances) -> Array:
    """Index of the first pixel of each object in raster order: (N,)."""
    flat = found.labels.ravel()
    pixel = np.flatnonzero(flat)[::-1]
    first = np.zeros(int(flat.max(initial=0)) + 1, np.int64)
    first[flat[pixel]] = pixel  # of equal indices the last counts, which is the first pixel
    return np.asarray(first[found.ids])


def _labels(region: Region, found: Instances, rows: Array) -> LabelPart:
    if not len(rows):
        return LabelPart(region.core.left, region.core.top, np.zeros((0, 0), np.int32))
    boxes = found.box_xyxy[rows]
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    number = np.zeros(int(found.labels.max(initial=0)) + 1, np.int32)
    number[found.ids[rows]] = np.arange(1, len(rows) + 1)
    crop = number[found.labels[top:bottom, left:right]]
    return LabelPart(int(left) + region.box.left, int(top) + region.box.top, crop)
