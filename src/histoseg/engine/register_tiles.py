"""Registered pictures cut into sets of equal tiles, those that do not fit left out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from histoseg.contracts import Array
from histoseg.engine.register_inputs import Inputs
from histoseg.engine.register_warp import Box, Warped, WarpedPicture, within
from histoseg.registration import (
    SMOOTH,
    Transform,
    best_shift,
    boxes,
    correlation,
    nuclear_channel,
)
from histoseg.slides import Slide
from histoseg.writers import write_csv, write_png, write_pyramid_tiff

log = logging.getLogger(__name__)
REACH = 24
"""How far, px, a tile is tried around its place."""
COLUMNS = ("tile", "x", "y", "ncc", "shift_x", "shift_y", "kept", "reason")


@dataclass(frozen=True)
class TileLimits:
    """What a tile must reach to be kept.

    Attributes:
        ncc: Least correlation of the nuclear channels.
        shift: How far away, px, its best place may be.
    """

    ncc: float
    shift: float


class Judged(NamedTuple):
    """One tile; ``reason`` is empty where it is kept."""

    ncc: float
    shift: tuple[int, int] | None
    reason: str


def cut_tiles(
    folder: Path,
    side: int,
    inputs: Inputs,
    transform: Transform,
    warped: Mapping[str, Warped],
    limits: TileLimits,
) -> tuple[int, int]:
    """Cut whole tiles, side by side from the upper left, and write those that fit.

    A set is one file per picture, ``<stem>_<y>_<x>_<name>.png``, alike but for the name. All tiles,
    kept or not, are in ``tiles.csv``.

    Args:
        folder: Where ``tiles`` and ``tiles.csv`` go.
        side: Of a tile, px of the fixed picture.
        inputs: The pictures.
        transform: From fixed to moving.
        warped: By name, what is cut beside the fixed picture.
        limits: What to keep.

    Returns:
        Numbers of sets kept, and of all.
    """
    stem = set_name(inputs.fixed, inputs.fixed_name)
    first = WarpedPicture.of(inputs.first, transform)
    places = [box for box in boxes(inputs.fixed.size, side) if box[2] == box[3] == side]
    rows: list[tuple[Any, ...]] = []
    for box in tqdm(places, unit="tile", disable=not sys.stderr.isatty()):
        name = f"{stem}_{box[1]:06d}_{box[0]:06d}"
        pixels = inputs.fixed.read(*box)
        if within(transform, inputs.first.size, box):
            judged = judge_tile(pixels, first.part(box), inputs.channels, limits)
        else:
            judged = Judged(float("nan"), None, "it reaches beyond the moving picture")
        if not judged.reason:
            _write(folder / "tiles", name, inputs.fixed_name, pixels)
            for key, picture in warped.items():
                _write(folder / "tiles", name, key, picture.part(box))
            for key, slide in inputs.beside.items():
                _write(folder / "tiles", name, key, slide.read(*box))
        rows.append(_row(name, box, judged))
    write_csv(folder / "tiles.csv", COLUMNS, rows)
    kept = sum(row[6] for row in rows)
    log.info("%d of %d tiles kept; reasons for the others: %s", kept, len(rows), "tiles.csv")
    return kept, len(rows)


def judge_tile(
    fixed: Array, moving: Array, channels: tuple[str, str], limits: TileLimits
) -> Judged:
    """Say whether two tiles lie on each other.

    Args:
        fixed: (H, W, 3), uint8.
        moving: (H, W, 3), uint8, in the frame of ``fixed``.
        channels: Where nuclei are bright in each.
        limits: What to keep.
    """
    a, b = (
        cv2.GaussianBlur(nuclear_channel(rgb, channel), (0, 0), SMOOTH)
        for rgb, channel in zip((fixed, moving), channels, strict=True)
    )
    ncc = correlation(a, b)
    reach = min(REACH, fixed.shape[0] // 4)
    inner = (reach, reach, fixed.shape[1] - reach, fixed.shape[0] - reach)
    shift = best_shift(a, b, inner, reach)
    if shift is None:
        return Judged(ncc, None, "it is empty in one of the pictures")
    if ncc < limits.ncc:
        return Judged(ncc, shift, f"ncc {ncc:.3f} is below {limits.ncc:g}")
    way = float(np.hypot(*shift))
    if way > limits.shift:
        return Judged(ncc, shift, f"it lies better {way:.1f} px away, above {limits.shift:g}")
    return Judged(ncc, shift, "")


def set_name(fixed: Slide, token: str) -> str:
    """What sets are called: the file's name without what names the stain.

    Partners are found by replacing the stain's name in a file name, so it must occur once.
    """
    return fixed.name.replace(token, "").strip("_- .") or "set"


def _row(name: str, box: Box, judged: Judged) -> tuple[Any, ...]:
    x, y = judged.shift or ("", "")
    ncc = "" if np.isnan(judged.ncc) else round(judged.ncc, 4)
    return name, box[0], box[1], ncc, x, y, int(not judged.reason), judged.reason


def _write(folder: Path, name: str, stain: str, pixels: Array) -> None:
    if pixels.ndim == 3:
        write_png(folder / f"{name}_{stain}.png", pixels)
        return
    path, size = folder / f"{name}_{stain}.ome.tif", (pixels.shape[0], pixels.shape[1])
    write_pyramid_tiff(path, size, [(0, 0, pixels)], dtype=pixels.dtype, name=name)
