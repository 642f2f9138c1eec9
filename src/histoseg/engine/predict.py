"""Prediction on ordinary images of any size."""

from __future__ import annotations

import csv
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.contracts import Array, Instances, Prediction
from histoseg.data import to_sample
from histoseg.engine import checkpoint
from histoseg.engine.class_names import name_classes
from histoseg.engine.memory import keep_freed_memory
from histoseg.engine.record import write_provenance
from histoseg.errors import UnreadableFileError
from histoseg.modules.base import Module
from histoseg.ops.instances import instances_from_labels
from histoseg.ops.symmetry import SYMMETRIES, symmetries
from histoseg.slides import find_images, read_image
from histoseg.slides.image import MAX_PIXELS
from histoseg.writers import write_type_info

log = logging.getLogger(__name__)
Writer = Callable[[Path, Prediction], Path]
ACCELERATORS = ("auto", "cpu", "gpu")
PRECISIONS = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def predict(cfg: DictConfig) -> list[dict[str, Any]]:
    """Run a checkpoint on images and write what it found.

    Args:
        cfg: Composed from ``conf/predict.yaml``.

    Returns:
        One row an image, as in ``summary.csv``: image, state, seconds, nuclei, error.

    Raises:
        FileNotFoundError: If there are no images.
        OSError: If the output folder cannot be written; said before anything is computed.
        UnreadableFileError: If an image cannot be read and ``on_error`` is ``raise``.
        ValueError: If a setting is not one of those that there are.
    """
    keep_freed_memory()
    _check_settings(cfg)
    name_classes(cfg)
    images = find_images(cfg.input)
    output = Path(cfg.output)
    _check_writable(output)
    module = load(cfg)
    write_provenance(cfg, output)
    if module.classes:
        write_type_info(output, module.classes, module.colours)
    writers: dict[str, Writer] = instantiate(cfg.writers)
    rows: list[dict[str, Any]] = []
    bar = tqdm(images, unit="image", disable=not sys.stderr.isatty())
    try:
        for path in bar:
            rows.append(_one_image(path, module, writers, cfg))
            bar.set_postfix_str(f"{rows[-1]['nuclei']} nuclei in {path.name}")
    finally:  # a run that is stopped says what it has done
        _write_summary(output / "summary.csv", rows)
    nuclei = sum(row["nuclei"] for row in rows)
    log.info("%d nuclei in %d images; results in %s", nuclei, len(rows), output)
    return rows


def load(cfg: DictConfig) -> Module:
    """The module of a checkpoint, ready to predict on the configured device.

    Raises:
        CheckpointError: If there is none, or its weights do not fit the configured model.
        ValueError: If there is no such device.
    """
    module = checkpoint.load(cfg)
    module.symmetries = symmetries(cfg.tta)
    if cfg.mpp is not None and module.mpp is None:
        log.warning("the model does not know its own mpp: images stay as they are")
    return module.to(_device(cfg.accelerator))


def predict_image(module: Module, image: Array, name: str, cfg: DictConfig) -> Prediction:
    """Find the nuclei of one image.

    Args:
        module: From `load`.
        image: (H, W, 3), uint8.
        name: Of the result files.
        cfg: ``precision``, ``overlap``, ``batch_size``, ``mpp``, ``save_maps``.

    Returns:
        What was found, in pixels of the image.
    """
    scale = cfg.mpp / module.mpp if cfg.mpp and module.mpp else 1.0
    seen = image if scale == 1 else _resized(image, scale)
    if module.normalise is not None:
        seen = module.normalise(seen)
    pixels = to_sample({"image": seen})["image"]
    dtype = PRECISIONS[cfg.precision]
    with torch.autocast(module.device.type, dtype, enabled=dtype is not None):
        maps = module.infer(
            pixels[None].to(module.device), overlap=cfg.overlap, batch_size=cfg.batch_size
        )
    arrays = {key: m[0].float().cpu().numpy() for key, m in maps.items()}
    found = module.postprocess(arrays)
    if scale != 1:
        found = _in_frame(found, image.shape)
        arrays = {key: _resized_maps(m, image.shape) for key, m in arrays.items()}
    return Prediction(
        name=name,
        image=image,
        instances=found,
        classes=module.classes,
        colours=module.colours,
        mpp=cfg.mpp or module.mpp,
        maps=arrays if cfg.save_maps else {},
    )


def _one_image(
    path: Path, module: Module, writers: Mapping[str, Writer], cfg: DictConfig
) -> dict[str, Any]:
    start = time.perf_counter()
    row: dict[str, Any] = {"image": str(path), "state": "done", "nuclei": 0, "error": ""}
    try:
        image = read_image(path)
    except (UnreadableFileError, OSError) as e:
        if cfg.on_error == "raise":
            raise
        row |= {"state": "failed", "error": str(e)}
    else:
        prediction = predict_image(module, image, path.stem, cfg)
        for write in writers.values():
            write(Path(cfg.output), prediction)
        row["nuclei"] = len(prediction.instances)
    return {**row, "seconds": round(time.perf_counter() - start, 3)}


def _resized(image: Array, scale: float) -> Array:
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(
            f"mpp= makes {image.shape[1]} x {image.shape[0]} pixels {size[0]} x {size[1]}: give "
            "micrometres per pixel of the images, usually 0.2 to 1"
        )
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=how))


def _in_frame(found: Instances, shape: tuple[int, ...]) -> Instances:
    """Instances of a resized image in the frame of the image itself."""
    rows, columns = (_nearest(shape[i], found.labels.shape[i]) for i in (0, 1))
    placed = instances_from_labels(found.labels[np.ix_(rows, columns)])
    row = np.searchsorted(found.ids, placed.ids)
    return replace(placed, semantic=found.semantic[row], score=found.score[row])


def _nearest(size: int, source: int) -> Array:
    """Index, in ``source`` pixels, of what lies under the centre of each of ``size`` pixels."""
    return ((np.arange(size) + 0.5) * (source / size)).astype(np.intp)


def _resized_maps(maps: Array, shape: tuple[int, ...]) -> Array:
    size = (shape[1], shape[0])
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in maps])


def _check_settings(cfg: DictConfig) -> None:
    allowed = {
        "accelerator": ACCELERATORS,
        "precision": PRECISIONS,
        "on_error": ("skip", "raise"),
        "tta": SYMMETRIES,
    }
    for key, values in allowed.items():
        if cfg[key] not in values:
            raise ValueError(f"{key}={cfg[key]}: expected one of {', '.join(values)}")
    if cfg.batch_size < 1:
        raise ValueError(f"batch_size={cfg.batch_size}: expected 1 or more")
    if cfg.mpp is not None and not (isinstance(cfg.mpp, int | float) and cfg.mpp > 0):
        raise ValueError(f"mpp={cfg.mpp}: expected micrometres per pixel, above 0")


def _check_writable(folder: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as e:
        raise OSError(
            e.errno, f"cannot write there ({e.strerror}); choose another output=", str(folder)
        ) from e


def _device(accelerator: str) -> torch.device:
    if accelerator == "auto":
        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ValueError("accelerator=gpu: PyTorch finds no CUDA device; use accelerator=cpu")
    return torch.device("cuda" if accelerator == "gpu" else "cpu")


def _write_summary(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, ["image", "state", "seconds", "nuclei", "error"])
        writer.writeheader()
        writer.writerows(rows)
