"""Prediction on an image that is small enough to be decoded as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
import torch
from omegaconf import DictConfig

from histoseg.contracts import Array, Instances, Prediction
from histoseg.data import to_sample
from histoseg.engine.predict_deepliif import predict_deepliif
from histoseg.modules.base import Module
from histoseg.ops.instances import instances_from_labels
from histoseg.ops.stain_means import stain_means
from histoseg.postprocess.decoder import Decoded
from histoseg.slides.image import MAX_PIXELS
from histoseg.writers import to_uint8

BLENDED, DEEPLIIF = "blended", "deepliif"
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
    """Run a model on one image that is decoded as a whole.

    Args:
        module: From `load`.
        image: (H, W, 3), uint8; of a model with several inputs these on top of each other,
            (H, W, 3 * n), and results show the first; of a stack (H, W, C), float32 in [0, 1].
        name: Of the result files.
        cfg: ``precision``, ``overlap``, ``batch_size``, ``mpp``, ``save_maps``, ``stains``,
            ``tiling``, ``tile_size``.
        mpp: Micrometres per pixel of the image; None for ``cfg.mpp``.
        model_mpp: Micrometres per pixel that the model is to see; None for those it was made for.

    Returns:
        What was found, in pixels of the image.
    """
    mpp, model_mpp = mpp or cfg.mpp, model_mpp or module.mpp
    scale = mpp / model_mpp if mpp and model_mpp else 1.0
    if cfg.tiling == DEEPLIIF:
        tile = cfg.tile_size or round(module.tile / scale)
        decoded, arrays = predict_deepliif(
            module,
            image if module.normalise is None else module.normalise(image),
            tile=tile,
            batch_size=cfg.batch_size,
            dtype=PRECISIONS[cfg.precision],
        )
    else:
        seen = image if scale == 1 else _resized(image, scale)
        arrays = _maps(module, seen, cfg)
        decoded = module.decoder(module.decoder.with_image(arrays, seen[..., :3]))
    first = _shown(image)
    decoder = module.decoder
    decoded = _in_frame(decoded, image.shape)
    found, measures = decoded.instances, dict(decoded.measures)
    if cfg.stains and found is not None and image.dtype == np.uint8:  # channels have no dyes
        measures |= stain_means(first, found)
    return Prediction(
        name=name,
        image=first,
        instances=Instances.none(*image.shape[:2]) if found is None else found,
        classes=module.classes,
        colours=module.colours,
        mpp=mpp or model_mpp,
        maps=_maps_in_frame(arrays, image.shape) if cfg.save_maps else {},
        measures=measures,
        kinds=decoder.kinds,
        semantic=decoded.semantic,
        stains=decoded.stains,
        backgrounds=decoder.backgrounds,
    )


def _maps(module: Module, seen: Array, cfg: DictConfig) -> dict[str, Array]:
    """What the network says of an image at its resolution."""
    if module.normalise is not None:
        seen = module.normalise(seen)
    pixels, dtype = to_sample({"image": seen})["image"], PRECISIONS[cfg.precision]
    with torch.autocast(module.device.type, dtype, enabled=dtype is not None):
        maps = module.infer(
            pixels[None].to(module.device), overlap=cfg.overlap, batch_size=cfg.batch_size
        )
    return {key: m[0].float().cpu().numpy() for key, m in maps.items()}


def _resized(image: Array, scale: float) -> Array:
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(
            f"mpp= makes {image.shape[1]} x {image.shape[0]} pixels {size[0]} x {size[1]}: give "
            "micrometres per pixel of the images, usually 0.2 to 1"
        )
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    # OpenCV takes four channels at most
    pictures = np.split(image, range(3, image.shape[-1], 3), axis=-1)
    resized = [cv2.resize(p, size, interpolation=how) for p in pictures]
    return np.concatenate([p.reshape(*size[::-1], -1) for p in resized], axis=-1)


def _shown(image: Array) -> Array:
    """The picture (H, W, 3), uint8, that results show of what a model is given."""
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image[..., :3])
    return to_uint8(to_sample({"image": image})["image"])


def _in_frame(decoded: Decoded, shape: tuple[int, ...]) -> Decoded:
    """What was said of a resized image in the frame of the image itself."""
    found, classes, stains, measures = decoded
    if found is not None and found.labels.shape != shape[:2]:
        placed = instances_from_labels(_nearest(found.labels, shape))
        row = np.searchsorted(found.ids, placed.ids)
        found = replace(placed, semantic=found.semantic[row], score=found.score[row])
        measures = {name: values[row] for name, values in measures.items()}
    if classes is not None and classes.shape != shape[:2]:
        classes = _nearest(classes, shape)
    size = (shape[1], shape[0])
    there = {
        name: np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
        for name, picture in stains.items()
    }
    return Decoded(found, classes, there, measures)


def _nearest(values: Array, shape: tuple[int, ...]) -> Array:
    """What lies under the centre of each pixel of the image."""
    rows, columns = (
        ((np.arange(shape[i]) + 0.5) * (values.shape[i] / shape[i])).astype(np.intp) for i in (0, 1)
    )
    return values[np.ix_(rows, columns)]


def _maps_in_frame(maps: Mapping[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    size = (shape[1], shape[0])
    return {
        name: np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in m])
        for name, m in maps.items()
    }
