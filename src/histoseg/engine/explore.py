"""What the augmentation of a training does to images, transform by transform."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from omegaconf import DictConfig, OmegaConf
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from histoseg.contracts import Array, Record
from histoseg.data import Augment, TileDataModule
from histoseg.data.centre import CentreTile
from histoseg.data.tile import RandomTile
from histoseg.engine import checkpoint
from histoseg.engine.class_names import name_classes
from histoseg.engine.data import build_data
from histoseg.engine.record import write_provenance
from histoseg.writers import (
    Colours,
    PagePicture,
    PageSection,
    outlined,
    panel,
    write_page,
    write_png,
)

log = logging.getLogger(__name__)
TRIED = 4  # draws for each that is shown
WHOLE = "all together"
Apply = Callable[[Record, int], Record]


def explore(cfg: DictConfig) -> Path:
    """Draw each transform of the configured augmentation, and all together.

    A grid has a row for each image (of each stain, where records have stains): the tile as it is,
    then draws from the weakest to the strongest by mean absolute change.

    Args:
        cfg: Composed from ``conf/explore.yaml``.

    Returns:
        The HTML page; the grids are also PNGs beside it and images in TensorBoard.

    Raises:
        ValueError: If there is nothing to draw.
    """
    name_classes(cfg)
    module = checkpoint.build(cfg) if cfg.get("model") else None
    data = cast(TileDataModule, build_data(cfg, module))
    augment, records = data.augment, data.records(cfg.split)
    if not isinstance(augment, Augment) or not augment.transforms:
        raise ValueError("the data are not augmented: choose another data/augment=")
    for key, most in (("n", len(records)), ("draws", 100)):
        if not 1 <= cfg[key] <= most:
            raise ValueError(f"{key}={cfg[key]}: expected 1 to {most}")
    folder = Path(cfg.output)
    write_provenance(cfg, folder)
    chosen = np.random.default_rng(cfg.seed).permutation(len(records))[: cfg.n]
    some = [_normalised(records[int(i)], data) for i in chosen]
    colours = [(c[0], c[1], c[2]) for c in data.colours]
    sections = []
    board = SummaryWriter(str(folder / "tensorboard"))
    views = list(_views(augment, data.tile))
    bar = tqdm(views, unit="transform", disable=not sys.stderr.isatty())
    for i, (name, apply) in enumerate(bar):
        picture = _grid(some, apply, CentreTile(data.tile), cfg, colours)
        write_png(folder / f"{i:02d}_{name.replace(' ', '_')}.png", picture)
        board.add_image(f"explore/{name}", picture, dataformats="HWC")
        sections.append(
            PageSection(
                name,
                pictures=[PagePicture.of(picture)],
                code=_settings(cfg, name),
                code_title="Settings",
            )
        )
    board.close()
    subtitle = (
        f"{len(some)} of {len(records)} images of {cfg.split}, {data.tile} px; draws from the "
        "weakest to the strongest change. Single transforms are always applied; together, as often "
        "as in training"
    )
    page = write_page(folder / "index.html", f"Augmentation of {cfg.name}", subtitle, sections)
    log.info("%d transforms: %s", len(sections) - 1, page)
    return page


def _views(augment: Augment, tile: int) -> Iterator[tuple[str, Apply]]:
    """What is drawn, by title: the whole first. A tile is cut before all but the cut itself."""
    yield WHOLE, augment
    centre = CentreTile(tile)
    for name, step in augment.transforms.items():
        alone = augment.alone(name)
        if isinstance(step, RandomTile):
            yield name, alone
        else:
            yield name, lambda record, seed, alone=alone: alone(centre(record, seed), seed)  # type: ignore[misc]


def _grid(
    records: list[Record], apply: Apply, centre: CentreTile, cfg: DictConfig, colours: Colours
) -> Array:
    """Rows of draws (H, W, 3), from weak to strong."""
    rows = []
    for number, record in enumerate(records):
        plain = _pictures(centre(record, 0), colours)
        seeds = np.random.default_rng([cfg.seed, number]).integers(2**32, size=TRIED * cfg.draws)
        made = [_pictures(apply(record, int(seed)), colours) for seed in seeds]
        first = next(iter(plain))
        order = np.argsort([_change(plain[first], pictures[first]) for pictures in made])
        shown = [
            made[i] for i in order[np.linspace(0, len(order) - 1, cfg.draws).round().astype(int)]
        ]
        rows += [[plain[key], *(pictures[key] for pictures in shown)] for key in plain]
    titles = ["as it is", "weakest", *[""] * (cfg.draws - 2), "strongest"][: cfg.draws + 1]
    return panel(rows, titles)


def _pictures(record: Record, colours: Colours) -> dict[str, Array]:
    """What is to be seen of a record, each (H, W, 3) uint8."""
    pictures = {name: _rgb(picture) for name, picture in record.get("stains", {}).items()}
    if "image" in record:
        image = _rgb(record["image"])
        if "instances" in record:
            image = outlined(image, record["instances"], record.get("semantic"), colours)
        pictures = {"image": image} | pictures
    return pictures


def _rgb(picture: Array) -> Array:
    """As RGB: of one channel gray, of two with a black third, of more the first three."""
    if picture.dtype != np.uint8:
        picture = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    channels = picture.shape[2]
    if channels == 2:
        picture = np.pad(picture, ((0, 0), (0, 0), (0, 1)))
    return np.ascontiguousarray(np.repeat(picture, 3, 2) if channels == 1 else picture[..., :3])


def _change(before: Array, after: Array) -> float:
    if before.shape != after.shape:
        return float("inf")
    return float(np.abs(before.astype(np.int16) - after).mean())


def _normalised(record: Record, data: TileDataModule) -> Record:
    if data.normalise is None or "image" not in record:
        return record
    return cast(Record, {**record, "image": data.normalise(record["image"])})


def _settings(cfg: DictConfig, name: str) -> str:
    node: Any = cfg.data.augment.transforms
    return OmegaConf.to_yaml(node if name == WHOLE else node[name], resolve=True)
