from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from histoseg.contracts import Array, Record, Sample


def to_sample(record: Record) -> Sample:
    """Turn arrays as stored into tensors as a model takes them.

    Args:
        record: Any subset of the keys; an image or a stain of uint8 is scaled to [0, 1], one of
            float32 is taken as it is.

    Returns:
        The same keys: image and stains (C, H, W) float32 in [0, 1], maps (H, W) int64, ignore
        and held_out (H, W) bool, scribbles (S, H, W) bool, points (N, 3) float32.

    Raises:
        ValueError: If the image or a stain is neither uint8 nor float32.

    Example:
        >>> to_sample({"image": np.full((1, 2, 3), 255, np.uint8)})["image"].shape
        torch.Size([3, 1, 2])
    """
    return widened(packed(record))


def packed(record: Record) -> Sample:
    """Turn arrays as stored into tensors of the same small types, for the way to the device.

    A tile of 256 px is half a megabyte so, and nearly two as the model takes it. A batch of such
    samples goes through `widened` before a model sees it.

    Args:
        record: Any subset of the keys, as in `to_sample`.

    Returns:
        The same keys: image and stains (C, H, W) of the type they have, maps (H, W) int32, and
        uint8 classes where they are stored so.

    Raises:
        ValueError: If the image or a stain is neither uint8 nor float32.
    """
    sample = Sample()
    if "image" in record:
        sample["image"] = _channels_first(record["image"], "the image")
    if "stains" in record:
        sample["stains"] = {
            name: _channels_first(picture, f"stain {name!r}")
            for name, picture in record["stains"].items()
        }
    if "instances" in record:
        sample["instances"] = torch.from_numpy(record["instances"].astype(np.int32))
    if "semantic" in record:
        semantic = record["semantic"]
        small = np.uint8 if semantic.dtype == np.uint8 else np.int32
        sample["semantic"] = torch.from_numpy(semantic.astype(small))
    if "tissue" in record:
        sample["tissue"] = record["tissue"]
    if "place" in record:
        sample["place"] = record["place"]
    return sample | _marks(record)


def widened(sample: Sample) -> Sample:
    """Give the tensors of a packed sample, or of a batch of them, the types that models take.

    Args:
        sample: From `packed`, alone or collated, on any device; one that is wide already stays.

    Returns:
        The same keys on the same device, as `Sample` says.

    Example:
        >>> widened({"image": torch.full((3, 1, 1), 255, dtype=torch.uint8)})["image"].flatten()
        tensor([1., 1., 1.])
    """
    wide = sample.copy()
    if "image" in sample:
        wide["image"] = _as_float(sample["image"])
    if "stains" in sample:
        wide["stains"] = {name: _as_float(picture) for name, picture in sample["stains"].items()}
    if "instances" in sample:
        wide["instances"] = sample["instances"].long()
    if "semantic" in sample:
        wide["semantic"] = sample["semantic"].long()
    return wide


def _as_float(picture: Tensor) -> Tensor:
    return picture.float().div_(255) if picture.dtype == torch.uint8 else picture


def _channels_first(image: Array, what: str) -> Tensor:
    """(H, W, C) to (C, H, W), a copy; plane by plane, which is quicker than a transposed copy."""
    if image.dtype not in (np.uint8, np.float32):
        raise ValueError(f"{what} is {image.dtype}; expected uint8 or float32 in [0, 1]")
    image = np.ascontiguousarray(image)
    height, width, channels = image.shape
    planes = np.empty((channels, height, width), image.dtype)
    for channel, plane in enumerate(planes):
        cv2.extractChannel(image, channel, plane)
    return torch.from_numpy(planes)


def _marks(record: Record) -> Sample:
    marks = Sample()
    if "ignore" in record:
        marks["ignore"] = torch.from_numpy(record["ignore"].astype(bool))
    if "held_out" in record:
        marks["held_out"] = torch.from_numpy(record["held_out"].astype(bool))
    if "scribbles" in record:
        planes = np.ascontiguousarray(np.moveaxis(record["scribbles"], -1, 0), dtype=bool)
        marks["scribbles"] = torch.from_numpy(planes)
    if "points" in record:
        marks["points"] = torch.from_numpy(record["points"].astype(np.float32).reshape(-1, 3))
    return marks
