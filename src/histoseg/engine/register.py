"""Two pictures of one tissue brought together, and all others of the moving frame with them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig

from histoseg.contracts import Array
from histoseg.engine.record import write_provenance
from histoseg.engine.register_inputs import Inputs, nuclei_of, open_inputs, reduced
from histoseg.engine.register_report import quality_facts, table, write_facts, write_pictures
from histoseg.engine.register_tiles import TileLimits, cut_tiles
from histoseg.engine.register_warp import Warped, WarpedLabels, WarpedPicture, write_warped
from histoseg.errors import RegistrationError
from histoseg.registration import (
    SPLINE,
    Alignment,
    Landmarks,
    Settings,
    Transform,
    align,
    bend,
    complaints,
    fit_affine,
    judge,
    read_landmarks,
    shrinking,
)
from histoseg.slides import Frame

log = logging.getLogger(__name__)
TRANSFORM, FAILED = "transform.json", "failed.json"
USES = ("start", "only", "measure")
SMALLEST_TILE = 32


def register(cfg: DictConfig) -> dict[str, Any]:
    """Register, judge, and where it is believed warp, draw and cut.

    Args:
        cfg: Composed from ``conf/register.yaml``.

    Returns:
        The numbers of ``quality`` in ``transform.json``.

    Raises:
        ContractError: If pictures of one frame differ in size.
        RegistrationError: If the pictures could not be brought together; ``failed.json`` and
            pictures called ``failed_...`` say more, and no warped picture is there.
        UnreadableFileError: If a picture or the landmarks cannot be read.
        ValueError: If a setting is not one of those that there are.
    """
    marks = _check(cfg)
    output = Path(cfg.output)
    inputs = open_inputs(cfg)
    write_provenance(cfg, output)
    frames = reduced(inputs, cfg)
    pictures = nuclei_of(frames[0], inputs.channels[0]), nuclei_of(frames[1], inputs.channels[1])
    log.info("nuclei: %s of fixed, %s of moving", *inputs.channels)
    parts = (instantiate(cfg[key], _convert_="all") for key in ("search", "refinement", "limits"))
    how = Settings(*parts)
    found = _aligned(pictures, frames, how, marks, cfg.use_landmarks)
    transform, quality = _bent(found, pictures, frames, how, int(cfg.bspline))
    facts = quality_facts(quality, frames, transform, marks)
    believed = cfg.use_landmarks == "only"
    verdict = () if believed else found.complaints
    text = table(facts, transform, verdict)
    if verdict:
        _fail(cfg, inputs, transform, facts, verdict)
        log.info("%s", text)
        raise RegistrationError(
            f"{inputs.first.path} could not be laid on {inputs.fixed.path}: {'; '.join(verdict)}."
            f" See {output / 'failed_blend.png'}; landmarks= or the channels may help"
        )
    for reason in found.complaints:
        log.warning("taken, for the landmarks say so, but %s", reason)
    _write_all(cfg, inputs, transform, facts)
    log.info("%s\nresults in %s", text, output)
    return facts


def _check(cfg: DictConfig) -> Landmarks | None:
    """Refuse what cannot work before anything is read; give the landmarks."""
    if cfg.use_landmarks not in USES:
        raise ValueError(f"use_landmarks={cfg.use_landmarks}: expected one of {', '.join(USES)}")
    if cfg.landmarks is None and cfg.use_landmarks != "start":
        raise ValueError(f"use_landmarks={cfg.use_landmarks} needs landmarks=<csv>")
    if cfg.bspline < 0 or cfg.side < 64 or cfg.picture < 64:
        raise ValueError(
            f"bspline={cfg.bspline} side={cfg.side} picture={cfg.picture}: expected 0 or more"
            " cells, and 64 px or more"
        )
    if cfg.tile is not None and cfg.tile < SMALLEST_TILE:
        raise ValueError(f"tile={cfg.tile}: expected {SMALLEST_TILE} px or more, or null")
    if (Path(cfg.output) / TRANSFORM).exists():
        raise ValueError(
            f"output={cfg.output} holds a registration already: give another folder, or remove it"
        )
    return None if cfg.landmarks is None else read_landmarks(Path(cfg.landmarks))


def _aligned(
    pictures: tuple[Array, Array],
    frames: tuple[Frame, Frame],
    how: Settings,
    marks: Landmarks | None,
    use: str,
) -> Alignment:
    """The affine between the reduced pictures."""
    fixed, moving = pictures
    if marks is None or use == "measure":
        log.info("coarse step: turns to %g°, scales to %g", how.search.angle, how.search.scale)
        return align(fixed, moving, how)
    start = fit_affine(frames[0].from_level0(marks.fixed), frames[1].from_level0(marks.moving))
    if use == "start":
        return align(fixed, moving, how, start)
    quality = judge(fixed, moving, Transform(start).points, how.limits)
    return Alignment(start, quality, tuple(complaints(quality, start, how.limits)))


def _bent(
    found: Alignment,
    pictures: tuple[Array, Array],
    frames: tuple[Frame, Frame],
    how: Settings,
    cells: int,
) -> tuple[Transform, Any]:
    """The transform between the full pictures, with a B-spline where that is better."""
    full = [shrinking(frame.scale) for frame in frames]
    transform = Transform(full[1] @ found.matrix @ np.linalg.inv(full[0]), frames[0].scale)
    if not cells or found.complaints:
        return transform, found.quality
    log.info("B-spline of %d x %d cells", cells, cells)
    bending = bend(*pictures, found.matrix, cells, how.refinement)
    bent = Transform(found.matrix, (1.0, 1.0), bending)
    quality = judge(*pictures, bent.points, how.limits)
    before = found.quality
    if bending.folds or quality.mutual_information <= before.mutual_information:
        log.warning(
            "the B-spline is left out: it %s (mutual information %.4f with it, %.4f without)",
            "folds the tissue" if bending.folds else "does not help",
            quality.mutual_information,
            before.mutual_information,
        )
        return transform, before
    quality = replace(quality, contrast=before.contrast, restart=before.restart)
    return replace(transform, bending=bending), quality


def _fail(
    cfg: DictConfig,
    inputs: Inputs,
    transform: Transform,
    facts: dict[str, Any],
    verdict: tuple[str, ...],
) -> None:
    output = Path(cfg.output)
    write_facts(output / FAILED, inputs, transform, facts, verdict)
    write_pictures(output, "failed_", inputs, transform, cfg.picture)


def _write_all(
    cfg: DictConfig, inputs: Inputs, transform: Transform, facts: dict[str, Any]
) -> None:
    """All files of a registration that is believed; the transform last, as a sign of the end."""
    output = Path(cfg.output)
    for name in (FAILED, "failed_blend.png", "failed_checkerboard.png"):
        (output / name).unlink(missing_ok=True)  # what an earlier attempt said is no longer so
    write_pictures(output, "", inputs, transform, cfg.picture)
    warped: Mapping[str, Warped] = {
        **{name: WarpedPicture.of(slide, transform) for name, slide in inputs.moving.items()},
        **{name: WarpedLabels(values, transform) for name, values in inputs.labels.items()},
    }
    for name, picture in warped.items():
        log.info("%s", write_warped(output / "warped", name, picture, inputs.fixed))
    if cfg.tile is not None:
        limits = TileLimits(**cfg.tile_limits)
        cut_tiles(output, int(cfg.tile), inputs, transform, warped, limits)
    if transform.bending is not None:
        transform.bending.write(output / SPLINE)
    write_facts(output / TRANSFORM, inputs, transform, facts, ())
