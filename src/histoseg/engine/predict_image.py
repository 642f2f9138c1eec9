"""Prediction on an image that is small enough to be decoded as a whole."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from omegaconf import DictConfig

from histoseg.contracts import Array, Instances, Prediction
from histoseg.data import to_sample
from histoseg.modules.base import Module
from histoseg.ops.instances import instances_from_labels
from histoseg.ops.stain_means import stain_means
from histoseg.slides.image import MAX_PIXELS

PRECISIONS = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def predict_image(
    module: Module,
    image: Array,
    name: str,
    cfg: DictConfig,
    *,
    mpp: float | None = None,
    model_mpp: float | None = None,
) -> Prediction:
    """Find the nuclei of one image that is decoded as a whole.

    Args:
        module: From `load`.
        image: (H, W, 3), uint8.
        name: Of the result files.
        cfg: ``precision``, ``overlap``, ``batch_size``, ``mpp``, ``save_maps``, ``stains``.
        mpp: Micrometres per pixel of the image; None for ``cfg.mpp``.
        model_mpp: Micrometres per pixel that the model is to see; None for those it was made for.

    Returns:
        What was found, in pixels of the image.
    """
    mpp, model_mpp = mpp or cfg.mpp, model_mpp or module.mpp
    scale = mpp / model_mpp if mpp and model_mpp else 1.0
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
    found = module.decoder(arrays).instances
    if found is None:
        raise TypeError("a model that finds no objects does not run on pictures yet")
    if scale != 1:
        found = _in_frame(found, image.shape)
        arrays = {key: _resized_maps(m, image.shape) for key, m in arrays.items()}
    return Prediction(
        name=name,
        image=image,
        instances=found,
        classes=module.classes,
        colours=module.colours,
        mpp=mpp or model_mpp,
        maps=arrays if cfg.save_maps else {},
        measures=stain_means(image, found) if cfg.stains else {},
    )


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
