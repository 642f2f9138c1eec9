"""The pictures of a registration: opened, named, checked, and reduced to one resolution."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from histoseg.annotations.label_images import read_array
from histoseg.contracts import Array
from histoseg.errors import ContractError, SlideError
from histoseg.registration import kind_of, nuclear_channel
from histoseg.slides import Frame, Slide, open_slide

log = logging.getLogger(__name__)
SMALLEST = 64
THUMBNAIL = 512


@dataclass(frozen=True)
class Inputs:
    """What is brought together.

    Attributes:
        fixed: The picture that stays.
        moving: By name, the pictures of the moving frame; the first was registered.
        labels: By name, (h, w) or (h, w, 3), label pictures of the moving frame.
        beside: By name, more pictures of the fixed frame.
        fixed_name: What the fixed picture is called in files.
        channels: Of fixed and moving, with ``auto`` decided.
    """

    fixed: Slide
    moving: Mapping[str, Slide]
    labels: Mapping[str, Array]
    beside: Mapping[str, Slide]
    fixed_name: str
    channels: tuple[str, str]

    @property
    def first(self) -> Slide:
        """The moving picture that is registered."""
        return next(iter(self.moving.values()))


def open_inputs(cfg: DictConfig) -> Inputs:
    """Open all pictures and check that they can belong together.

    Args:
        cfg: Composed from ``conf/register.yaml``.

    Raises:
        ContractError: If a picture is not as large as the one whose frame it shares.
        SlideError: If a picture is too small to register.
        UnreadableFileError: If a file cannot be read.
        ValueError: If two pictures have one name.
    """
    fixed = open_slide(cfg.fixed, cfg.fixed_mpp)
    first = open_slide(cfg.moving, cfg.moving_mpp)
    others = _named(cfg.others)
    labels = {name: read_array(Path(path)) for name, path in _named(cfg.labels).items()}
    beside = {name: open_slide(path) for name, path in _named(cfg.beside).items()}
    moving = {str(cfg.names.moving): first}
    names = [str(cfg.names.fixed), *moving, *others, *labels, *beside]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"more than one picture is called {', '.join(twice)}: name them apart")
    moving |= {name: open_slide(path, cfg.moving_mpp) for name, path in others.items()}
    for slide in (fixed, first):
        if min(slide.size) < SMALLEST:
            raise SlideError(f"{slide.path} has {slide.size} pixels, expected {SMALLEST} or more")
    for name, size in _sizes(moving, labels).items():
        _same(name, size, first, "moving")
    for name, slide in beside.items():
        _same(name, slide.size, fixed, "fixed")
    kinds = (_kind(fixed, cfg.fixed_channel), _kind(first, cfg.moving_channel))
    return Inputs(fixed, moving, labels, beside, str(cfg.names.fixed), kinds)


def reduced(inputs: Inputs, cfg: DictConfig) -> tuple[Frame, Frame]:
    """Fixed and moving at one resolution, small enough to register.

    Raises:
        SlideError: If ``mpp`` is given and a picture does not say its resolution.
    """
    slides = inputs.fixed, inputs.first
    known = all(slide.mpp is not None for slide in slides)
    if cfg.mpp is not None and not known:
        raise SlideError(
            f"mpp={cfg.mpp} needs the resolution of both pictures: give fixed_mpp= and moving_mpp="
        )
    units = [slide.mpp if known and slide.mpp else (1.0, 1.0) for slide in slides]
    extents = [
        side * unit
        for slide, (x, y) in zip(slides, units, strict=True)
        for side, unit in zip(slide.size, (y, x), strict=True)
    ]
    finest = max(min(unit) for unit in units)
    pixel = max(cfg.mpp or finest, max(extents) / cfg.side)
    frames = [
        Frame.scaled(slide, (pixel / x, pixel / y))
        for slide, (x, y) in zip(slides, units, strict=True)
    ]
    log.info(
        "registered at %s: fixed %d x %d, moving %d x %d (height x width)",
        f"{pixel:.3g} µm/px" if known else f"1/{pixel:.3g} of full size (no resolution known)",
        *frames[0].size,
        *frames[1].size,
    )
    return frames[0], frames[1]


def nuclei_of(frame: Frame, channel: str) -> Array:
    """The nuclear channel of a whole frame: (H, W), float32 in [0, 1]."""
    return nuclear_channel(frame.read(0, 0, frame.width, frame.height), channel)


def _named(given: Any) -> dict[str, str]:
    """A list of files, called by their stems, or names and files."""
    plain = OmegaConf.to_container(given) if OmegaConf.is_config(given) else given
    if plain is None:
        return {}
    if isinstance(plain, dict):
        return {str(name): str(path) for name, path in plain.items()}
    paths = [plain] if isinstance(plain, str) else plain
    names = [Path(path).stem for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"two of others= are called {', '.join(twice)}: name them, others={{A: a.png, ...}}"
        )
    return dict(zip(names, map(str, paths), strict=True))


def _sizes(moving: Mapping[str, Slide], labels: Mapping[str, Array]) -> dict[str, tuple[int, int]]:
    return {
        **{name: slide.size for name, slide in moving.items()},
        **{name: (values.shape[0], values.shape[1]) for name, values in labels.items()},
    }


def _same(name: str, size: tuple[int, int], frame: Slide, which: str) -> None:
    if size != frame.size:
        raise ContractError(
            f"{name} has (height, width) {size}, {frame.path} has {frame.size}: they do not share"
            f" the frame of {which}. Export both at one size, or register {name} by itself"
        )


def _kind(slide: Slide, channel: str) -> str:
    return kind_of(slide.thumbnail(THUMBNAIL)) if channel == "auto" else str(channel)
