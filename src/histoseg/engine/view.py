"""A sheet of what a model will be given: the check to make before any training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import numpy as np
import torch
from omegaconf import DictConfig

from histoseg.contracts import Array, Sample
from histoseg.data.datamodule import TileDataModule, Tiles
from histoseg.data.draws import Draw
from histoseg.data.sample import widened
from histoseg.engine import checkpoint
from histoseg.engine.class_names import name_classes
from histoseg.engine.contract import check_contract
from histoseg.engine.data import build_data
from histoseg.modules.base import Module
from histoseg.ops.crop import centre_crop
from histoseg.ops.strokes import false_colour, with_strokes
from histoseg.writers import (
    Colours,
    dotted,
    hatched,
    map_pictures,
    outlined,
    panel,
    to_uint8,
    write_png,
)

log = logging.getLogger(__name__)
COLUMNS = 8  # pictures in a row, where a sample is one picture


def view(cfg: DictConfig) -> Path:
    """Draw augmented samples: outlines in class colours, stains, and a model's targets.

    Args:
        cfg: Composed from ``conf/view.yaml``.

    Returns:
        The PNG.

    Raises:
        ContractError: If the model and the data do not fit.
        ValueError: If there is nothing to draw.
    """
    name_classes(cfg)
    module = None
    if cfg.get("model"):
        check_contract(cfg)
        module = checkpoint.build(cfg)
    data = cast(TileDataModule, build_data(cfg, module))
    tiles = Tiles(data.records(cfg.split), data.augment, normalise=data.normalise)
    if cfg.n < 1 or len(tiles) < 1:
        raise ValueError(f"n={cfg.n} of the {len(tiles)} images of {cfg.split}: nothing to draw")
    rng = np.random.default_rng(cfg.seed)
    draws = [Draw(int(i), int(rng.integers(2**32))) for i in rng.permutation(len(tiles))[: cfg.n]]
    colours = module.colours if module else [(c[0], c[1], c[2]) for c in data.colours]
    cells = [_pictures(widened(tiles[draw]), module, colours) for draw in draws]
    titles = list(cells[0])
    flat = [picture for cell in cells for picture in cell.values()]
    width = len(titles) if len(titles) > 2 else min(COLUMNS, len(flat))
    flat += [np.full_like(flat[0], 255)] * (-len(flat) % width)
    rows = [flat[i : i + width] for i in range(0, len(flat), width)]
    path = write_png(Path(cfg.output), panel(rows, [titles[i % len(titles)] for i in range(width)]))
    log.info("%d samples of %s (%s): %s", len(cells), cfg.split, ", ".join(data.classes), path)
    return path


def _pictures(sample: Sample, module: Module | None, colours: Colours) -> dict[str, Array]:
    stains = {name: to_uint8(picture) for name, picture in sample.get("stains", {}).items()}
    if "image" not in sample:
        return stains
    seen = false_colour(sample["image"])
    image = to_uint8(seen)
    if "points" in sample:
        return {"image": image, "annotation": dotted(image, sample["points"].numpy(), colours)}
    strokes = {}
    if "scribbles" in sample:  # what each plane says is for the model to know
        strokes["strokes"] = to_uint8(with_strokes(seen, sample["scribbles"]))
    if "instances" not in sample:
        return {"image": image} | strokes | stains
    semantic = sample["semantic"].numpy() if "semantic" in sample else None
    drawn = outlined(image, sample["instances"].numpy(), semantic, colours)
    if "ignore" in sample:
        drawn = hatched(drawn, sample["ignore"].numpy())
    pictures = {"image": image, "annotation": drawn} | strokes | stains
    if module is not None:
        batch = Sample(**{k: v[None] for k, v in sample.items() if isinstance(v, torch.Tensor)})  # type: ignore[typeddict-item]
        for name, maps in module.targets(batch).items():
            whole = _in_frame(maps[0], sample["image"])
            pictures |= map_pictures(name, whole, colours)
    return pictures


def _in_frame(maps: torch.Tensor, image: torch.Tensor) -> Array:
    """Maps (C, h, w) in the middle of a frame as large as the image, which they are centred on."""
    frame = maps.new_zeros((len(maps), *image.shape[-2:]))
    centre_crop(frame, (maps.shape[1], maps.shape[2])).copy_(maps)
    return np.asarray(frame.numpy())
