"""Training images cut into patches on disk, as the original HoVer-Net trains from."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.contracts import Array, Record
from histoseg.data import TileDataModule
from histoseg.engine.class_names import name_classes
from histoseg.engine.patch_journal import PatchJournal, Row
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.ops.patches import patch_corners, patch_padding
from histoseg.writers import NpyPatches, Patch, PatchWriter, ZarrPatches, write_type_info

log = logging.getLogger(__name__)
WRITERS: Mapping[str, type[NpyPatches | ZarrPatches]] = {"npy": NpyPatches, "zarr": ZarrPatches}
FOLDERS = {"val": "valid"}  # what the original calls a split
AT_ONCE = 16  # patches in memory


def extract_patches(cfg: DictConfig) -> list[str]:
    """Cut every image of a split into patches.

    What is done already in the folder is not done again.

    Args:
        cfg: Composed from ``conf/patches.yaml``.

    Returns:
        What was wrong with each image that could not be cut; the others are done.

    Raises:
        ContractError: If the data have no instances, or the folder holds other patches.
        ValueError: If a setting is not one of those that there are.
    """
    if cfg.format not in WRITERS:
        raise ValueError(f"format={cfg.format}: expected one of {', '.join(WRITERS)}")
    patch_padding((cfg.window, cfg.window), cfg.window, cfg.step, cfg.border)  # or it says why not
    name_classes(cfg)
    data: TileDataModule = instantiate(cfg.data)
    records = data.records(cfg.split)
    size = f"{cfg.window}x{cfg.window}_{cfg.step}x{cfg.step}"
    folder = Path(cfg.output) / cfg.name / FOLDERS.get(cfg.split, cfg.split) / size
    journal = PatchJournal(folder, _facts(cfg, data, len(records)))
    writer = WRITERS[cfg.format](folder, cfg.window, typed=bool(data.classes))
    if data.classes:
        write_type_info(folder, data.classes, data.colours)
    failed = []
    for item in tqdm(range(len(records)), unit="image", disable=not sys.stderr.isatty()):
        if item not in journal.done:
            try:
                _cut(records[item], item, writer, journal, cfg)
            except UnreadableFileError as error:
                failed.append(str(error))
    if not failed:
        journal.finish()
    log.info("%d patches of %d images in %s", len(journal.rows), len(journal.done), folder)
    return failed


def _facts(cfg: DictConfig, data: TileDataModule, items: int) -> dict[str, Any]:
    facts = {key: cfg[key] for key in ("format", "window", "step", "border")}
    return {**facts, "classes": data.classes, "mpp": data.mpp, "images": items}


def _cut(
    record: Record, item: int, writer: PatchWriter, journal: PatchJournal, cfg: DictConfig
) -> None:
    """Write all patches of an image, then note it."""
    name = record["place"].slide
    if name in journal.done.values():
        raise UnreadableFileError(f"{name}: another image of this name is cut already; rename one")
    window, size = cfg.window, record["image"].shape[:2]
    try:
        padding = patch_padding(size, window, cfg.step, cfg.border)
    except ValueError as error:
        raise UnreadableFileError(f"{name}: {error}") from error
    layers = _padded(record, typed=bool(cfg.data.classes), padding=padding, name=name)
    corners = patch_corners(layers[0].shape[:2], window, cfg.step)
    (top, _), (left, _) = padding
    rows = [
        Row(f"{name}_{i:03d}", item, name, len(corners), y - top, x - left)
        for i, (y, x) in enumerate(corners.tolist())
    ]
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        patches = list(_windows(layers, corners[part], window))
        writer.write([row.patch for row in rows[part]], patches, len(journal.rows) + start)
    journal.add(rows)


def _padded(record: Record, *, typed: bool, padding: Any, name: str) -> list[Array]:
    """Image, instances and, with classes, semantic, continued by reflection."""
    if "instances" not in record or (typed and "semantic" not in record):
        raise ContractError(f"{name} has {', '.join(record)}; patches need instances and classes")
    image = record["image"]
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UnreadableFileError(
            f"{name} is {image.dtype} {image.shape}; patches hold (H, W, 3) uint8"
        )
    annotation = [record["instances"]] + ([record["semantic"]] if typed else [])
    return [
        np.pad(image, (*padding, (0, 0)), mode="reflect"),
        *(np.pad(layer, padding, mode="reflect") for layer in annotation),
    ]


def _windows(layers: list[Array], corners: Array, window: int) -> Iterator[Patch]:
    for y, x in corners.tolist():
        image, instances, *rest = (layer[y : y + window, x : x + window] for layer in layers)
        yield Patch(image, instances, rest[0] if rest else None)
