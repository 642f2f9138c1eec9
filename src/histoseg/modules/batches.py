"""What a batch says, and what maps of a batch say, under the names that metrics ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from histoseg.contracts import Maps, Sample
from histoseg.ops.crop import centre_crop
from histoseg.postprocess.decoder import Decoder


def annotated(batch: Sample, size: tuple[int, int], *, classes: bool) -> dict[str, Any]:
    """Give the annotations of a batch, cropped to the middle.

    Args:
        batch: Any of the keys of `Sample`.
        size: (height, width) of what is scored.
        classes: Whether classes of pixels count.

    Returns:
        ``instances`` and ``semantic``, each (B, h, w) int64; ``stains`` by name, (B, C, h, w);
        ``points`` of whole images, as they are, with their ``mpp``. Those that there are.
    """
    keys = ("instances", "semantic") if classes else ("instances",)
    truth: dict[str, Any] = {k: centre_crop(batch[k], size) for k in keys if k in batch}  # type: ignore[literal-required]
    if "stains" in batch:
        truth["stains"] = {name: centre_crop(m, size) for name, m in batch["stains"].items()}
    if "points" in batch:  # of whole images: there is nothing to crop
        truth |= {"points": batch["points"], "mpp": batch["place"].mpp}
    return truth


def decoded(decoder: Decoder, maps: Maps) -> dict[str, Any]:
    """Read the maps of a batch.

    Args:
        decoder: How.
        maps: By name, each (B, C, H, W).

    Returns:
        ``instances`` and ``semantic``, each (B, H, W) int64, and ``stains``, maps by name: those
        that the decoder has.
    """
    read: dict[str, Any] = {}
    if decoder.postprocess is not None:
        arrays = {name: m.detach().float().cpu().numpy() for name, m in maps.items()}
        count = len(next(iter(arrays.values())))
        found = [decoder.postprocess({n: a[i] for n, a in arrays.items()}) for i in range(count)]
        read["instances"] = torch.stack([torch.from_numpy(f.labels).long() for f in found])
        read["semantic"] = torch.stack([torch.from_numpy(f.semantic_map()).long() for f in found])
    if decoder.semantic is not None:
        read["semantic"] = maps[decoder.semantic].argmax(1)
    if decoder.stains:
        read["stains"] = {name: maps[name] for name in decoder.stains}
    return read


def kept(batch: Sample, size: Sequence[int]) -> Tensor | None:
    """Pixels that losses count (B, height, width), bool: the middle of what is not ignored.

    None, which stands for all pixels, where the data ignore nothing.
    """
    if "ignore" not in batch:
        return None
    height, width = size
    return ~centre_crop(batch["ignore"], (height, width))
