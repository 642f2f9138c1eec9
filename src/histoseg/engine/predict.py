"""Prediction on ordinary images of any size."""

from __future__ import annotations

import csv
import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from histoseg.contracts import Array, Instances, Prediction
from histoseg.engine import checkpoint
from histoseg.engine.memory import keep_freed_memory
from histoseg.errors import UnreadableFileError
from histoseg.modules.base import Module
from histoseg.ops.instances import instances_from_labels
from histoseg.slides import find_images, read_image

log = logging.getLogger(__name__)
Writer = Callable[[Path, Prediction], Path]
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
        SystemExit: After all images are done, if some of them failed.
    """
    keep_freed_memory()
    images = find_images(cfg.input)
    output = Path(cfg.output)
    _check_writable(output)
    module = load(cfg)
    writers: dict[str, Writer] = instantiate(cfg.writers)
    rows = []
    bar = tqdm(images, unit="image", disable=not sys.stderr.isatty())
    for path in bar:
        rows.append(_one_image(path, module, writers, cfg))
        bar.set_postfix_str(f"{rows[-1]['nuclei']} nuclei in {path.name}")
    _write_summary(output / "summary.csv", rows)
    log.info("%d nuclei in %d images; results in %s", _total(rows), len(rows), output)
    failed = [row for row in rows if row["state"] != "done"]
    if failed:
        log.error("failed:\n%s", "\n".join(f"  {r['image']}: {r['error']}" for r in failed))
        sys.exit(1)
    return rows


def load(cfg: DictConfig) -> Module:
    """The module of a checkpoint, ready to predict on the configured device."""
    module = checkpoint.build(cfg)
    checkpoint.load_weights(module, checkpoint.find(Path(cfg.ckpt)))
    return module.to(_device(cfg.accelerator)).eval()


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
    pixels = torch.from_numpy(seen).permute(2, 0, 1).float().div(255)
    dtype = PRECISIONS[cfg.precision]
    with torch.autocast(module.device.type, dtype, enabled=dtype is not None):
        maps = module.infer(
            pixels[None].to(module.device), overlap=cfg.overlap, batch_size=cfg.batch_size
        )
    arrays = {key: m[0].float().cpu().numpy() for key, m in maps.items()}
    found = module.postprocess(arrays)
    if scale != 1:
        found = _in_frame(found, image.shape)
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
        prediction = predict_image(module, read_image(path), path.stem, cfg)
        for write in writers.values():
            write(Path(cfg.output), prediction)
        row["nuclei"] = len(prediction.instances)
    except UnreadableFileError as e:
        if cfg.on_error == "raise":
            raise
        row |= {"state": "failed", "error": str(e)}
    return {**row, "seconds": round(time.perf_counter() - start, 3)}


def _resized(image: Array, scale: float) -> Array:
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=how))


def _in_frame(found: Instances, shape: tuple[int, ...]) -> Instances:
    """Instances of a resized image in the frame of the image itself."""
    size = (shape[1], shape[0])
    labels = cv2.resize(found.labels.astype(np.float64), size, interpolation=cv2.INTER_NEAREST)
    placed = instances_from_labels(labels.astype(np.int32))
    row = np.searchsorted(found.ids, placed.ids)
    return Instances(**{**vars(placed), "semantic": found.semantic[row], "score": found.score[row]})


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
    if accelerator not in ("cpu", "gpu"):
        raise ValueError(f"accelerator={accelerator}: expected auto, cpu or gpu")
    return torch.device("cuda" if accelerator == "gpu" else "cpu")


def _total(rows: list[dict[str, Any]]) -> int:
    return sum(row["nuclei"] for row in rows)


def _write_summary(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, ["image", "state", "seconds", "nuclei", "error"])
        writer.writeheader()
        writer.writerows(rows)
