"""What a registration found: JSON, pictures to look at, and a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from histoseg.contracts import Array
from histoseg.engine.record import write_json
from histoseg.engine.register_inputs import Inputs
from histoseg.engine.register_warp import WarpedPicture
from histoseg.registration import (
    Landmarks,
    Quality,
    Transform,
    left_out_errors,
    nuclear_channel,
)
from histoseg.slides import Frame, Slide
from histoseg.writers import aligned, write_png

SQUARES = 8
"""Squares of the checkerboard along the longer side."""


def write_pictures(
    folder: Path, start: str, inputs: Inputs, transform: Transform, longest: int
) -> None:
    """Write the blend and the checkerboard.

    Args:
        folder: Where to.
        start: Of their names.
        inputs: The pictures.
        transform: From fixed to moving.
        longest: Side of the pictures, px.
    """
    frame = Frame.scaled(inputs.fixed, max(1.0, max(inputs.fixed.size) / longest))
    fixed = frame.read(0, 0, frame.width, frame.height)
    moving = _preview(inputs.first, transform, frame)
    a, b = (
        nuclear_channel(rgb, kind)
        for rgb, kind in zip((fixed, moving), inputs.channels, strict=True)
    )
    blend = np.stack([a, b, a], axis=-1)
    write_png(folder / f"{start}blend.png", np.rint(blend * 255).astype(np.uint8))
    write_png(folder / f"{start}checkerboard.png", _checkerboard(fixed, moving))


def write_facts(
    path: Path,
    inputs: Inputs,
    transform: Transform,
    quality: dict[str, Any],
    verdict: Sequence[str],
) -> None:
    """Write the transform and what is known of it as JSON.

    Args:
        path: The file.
        inputs: The pictures.
        transform: From fixed to moving.
        quality: As `quality_facts` gives it.
        verdict: Why it is not to be believed; empty where it is.
    """
    facts = {
        **transform.facts(),
        "fixed": _facts_of(inputs.fixed, inputs.channels[0]),
        "moving": _facts_of(inputs.first, inputs.channels[1]),
        "others": [slide.path.name for slide in list(inputs.moving.values())[1:]],
        "quality": quality,
        "verdict": "failed" if verdict else "good",
        "reasons": list(verdict),
    }
    write_json(path, _strict(facts))


def quality_facts(
    quality: Quality, frames: tuple[Frame, Frame], transform: Transform, marks: Landmarks | None
) -> dict[str, Any]:
    """Numbers of a registration by name, as the JSON has them.

    Args:
        quality: As measured on the reduced pictures.
        frames: The reduced pictures.
        transform: From fixed to moving, full pixels.
        marks: Points to measure the error of, full pixels.
    """
    facts: dict[str, Any] = asdict(quality)
    facts["full_pixels_per_reduced"] = [list(frame.scale) for frame in frames]
    if marks is not None:
        errors = np.linalg.norm(transform.points(marks.fixed) - marks.moving, axis=1)
        left_out = left_out_errors(marks)
        left_out = left_out[~np.isnan(left_out)]
        facts["landmarks"] = {
            "points": len(errors),
            "mean_px": float(errors.mean()),
            "max_px": float(errors.max()),
            "left_out_mean_px": float(left_out.mean()) if len(left_out) else None,
        }
    return facts


def table(quality: dict[str, Any], transform: Transform, verdict: Sequence[str]) -> str:
    """The closing table."""
    facts = transform.facts()
    rows = [
        ("turned by", f"{facts['angle_degrees']:.2f}°"),
        ("scale", f"{facts['scale']:.4f} moving px per fixed px"),
        ("B-spline", "none" if transform.bending is None else "yes"),
        ("overlap", f"{quality['overlap']:.1%} of the smaller picture"),
        ("NCC", f"{quality['ncc']:.3f}"),
        ("mutual information", f"{quality['mutual_information']:.3f} nats"),
        ("blocks that agree", f"{quality['agreeing']:.1%} of {quality['blocks']}"),
        ("residual", f"{quality['residual']:.2f} px of the registered pictures (median of blocks)"),
        ("contrast", f"{quality['contrast']:.2f} times an unlike place"),
        ("two starts end", f"{quality['restart']:.2f} px apart"),
    ]
    if "landmarks" in quality:
        marks = quality["landmarks"]
        text = f"mean {marks['mean_px']:.2f} px, max {marks['max_px']:.2f} px of {marks['points']}"
        rows.append(("landmark error", text))
    rows.append(("verdict", "failed" if verdict else "good"))
    return aligned([(name, "not done" if "nan" in value else value) for name, value in rows])


def _preview(slide: Slide, transform: Transform, frame: Frame) -> Array:
    """The moving picture in a reduced frame of the fixed one."""
    picture = WarpedPicture.of(slide, transform, coarser=max(frame.scale))
    ys, xs = np.mgrid[: frame.height, : frame.width]
    grid = np.stack([xs, ys], axis=-1).reshape(-1, 2).astype(np.float64)
    where = picture.frame.from_level0(transform.points(frame.to_level0(grid)))
    return picture.at(where.reshape(frame.height, frame.width, 2))


def _checkerboard(a: Array, b: Array) -> Array:
    side = max(8, max(a.shape) // SQUARES)
    ys, xs = np.ogrid[: a.shape[0], : a.shape[1]]
    return np.where((((ys // side) + (xs // side)) % 2 == 0)[..., None], a, b)


def _facts_of(slide: Slide, channel: str) -> dict[str, Any]:
    return {
        "file": slide.path.name,
        "size": list(slide.size),
        "mpp": None if slide.mpp is None else list(slide.mpp),
        "channel": channel,
    }


def _strict(value: Any) -> Any:
    """Without NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
