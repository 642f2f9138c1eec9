from __future__ import annotations

import numpy as np
import torch

from histoseg.contracts import Record, Sample


def to_sample(record: Record) -> Sample:
    """Turn arrays as stored into tensors as a model takes them.

    Args:
        record: Any subset of the keys; an image of uint8 is scaled to [0, 1], one of float32
            is taken as it is.

    Returns:
        The same keys: image (C, H, W) float32 in [0, 1], maps (H, W) int64, ignore (H, W)
        bool, points (N, 3) float32.

    Raises:
        ValueError: If the image is neither uint8 nor float32.

    Example:
        >>> to_sample({"image": np.full((1, 2, 3), 255, np.uint8)})["image"].shape
        torch.Size([3, 1, 2])
    """
    sample = Sample()
    if "image" in record:
        image = record["image"]
        if image.dtype not in (np.uint8, np.float32):
            raise ValueError(f"the image is {image.dtype}; expected uint8 or float32 in [0, 1]")
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        sample["image"] = pixels.float() / 255 if image.dtype == np.uint8 else pixels
    if "instances" in record:
        sample["instances"] = torch.from_numpy(record["instances"].astype(np.int64))
    if "semantic" in record:
        sample["semantic"] = torch.from_numpy(record["semantic"].astype(np.int64))
    if "tissue" in record:
        sample["tissue"] = record["tissue"]
    if "place" in record:
        sample["place"] = record["place"]
    return sample | _marks(record)


def _marks(record: Record) -> Sample:
    marks = Sample()
    if "ignore" in record:
        marks["ignore"] = torch.from_numpy(record["ignore"].astype(bool))
    if "points" in record:
        marks["points"] = torch.from_numpy(record["points"].astype(np.float32).reshape(-1, 3))
    return marks
