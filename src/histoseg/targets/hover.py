"""HoVer-Net's training targets from instance maps, on the device, without a loop over nuclei."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from histoseg.ops.crop import centre_crop


class _Runs(NamedTuple):
    """The foreground as runs: neighbours in a row that share an id.

    A run of a nucleus is some ten pixels long, so what is counted for each nucleus is counted from
    a tenth of the numbers. Indices are into the flattened (B, H, W).
    """

    pixels: Tensor  # (N,) index of each foreground pixel
    first: Tensor  # (R,) index of the first pixel of each run
    length: Tensor  # (R,) pixels in each run
    nucleus: Tensor  # (R,) nucleus of each run, 0..K-1 over the whole batch
    area: Tensor  # (K,) pixels of each nucleus


def hover_maps(instances: Tensor) -> Tensor:
    """Map each nuclear pixel to its signed distance from the centroid of its nucleus.

    Distances are in fractions of the nucleus's own extent, separately to the left and the
    right (above and below), so they span [-1, 1] whatever the size of the nucleus.

    Args:
        instances: Instance map (B, H, W), int64. 0 is background; ids may have gaps of any size.

    Returns:
        Maps (B, 2, H, W), float32 in [-1, 1]: channel 0 horizontal, 1 vertical, 0 on background.

    Raises:
        ValueError: If ``instances`` is not an integer map (B, H, W).

    Source:
        Graham et al. 2019, eq. 1-2; vqdang/hover_net ``targets.py``, which counts pixels from 1:
        the centroid pixel is therefore +1/extent, not 0. Kept, for parity of weights. Its loss of
        nuclei within 2 px of the top and left border is not kept.

    Example:
        >>> hover_maps(torch.tensor([[[0, 7, 7, 7, 0]]]))[0, 0]
        tensor([[0.0000, 0.0000, 0.5000, 1.0000, 0.0000]])
    """
    runs = _find_runs(instances)
    batch, height, width = instances.shape
    plane = height * width
    left, row = runs.first % width, runs.first // width % height
    right = left + runs.length - 1
    row_sum = _total(runs.length * row, runs)
    column_sum = _total(runs.length * (left + right) // 2, runs)

    vertical = _distance(row, _frame(row_sum, row, row, runs)).repeat_interleave(runs.length)
    frame = _frame(column_sum, left, right, runs).repeat_interleave(runs.length, dim=1)
    horizontal = _distance(runs.pixels % width, frame)

    maps = torch.zeros(batch * 2 * plane, device=instances.device)
    tile = (runs.first // plane).repeat_interleave(runs.length)
    place = runs.pixels + tile * plane
    maps.scatter_(0, place, horizontal).scatter_(0, place + plane, vertical)
    return maps.view(batch, 2, height, width)


def hover_targets(
    instances: Tensor, size: tuple[int, int], min_pixels: int = 30
) -> dict[str, Tensor]:
    """Make the targets of the nuclear-pixel and of the distance branch.

    Distances are measured on the whole tile and cut afterwards, so a nucleus at the edge of the
    network's output keeps its true centroid. What is left of a nucleus in the cut must have
    ``min_pixels``; smaller ones stay nuclear pixels but have no distances.

    Args:
        instances: Instance map (B, H, W), int64, of the size of the network's input.
        size: Height and width of the network's output, cut from the middle, pixels.
        min_pixels: Smallest nucleus with distances, pixels in the cut.

    Returns:
        ``np`` (B, height, width) int64 in 0..1 and ``hv`` (B, 2, height, width) float32 in [-1, 1].

    Raises:
        ValueError: If ``instances`` is not an integer map (B, H, W) or smaller than ``size``.

    Source:
        vqdang/hover_net ``gen_targets``. It first splits ids that mirroring left in several parts;
        that is `histoseg.ops.split_components`, on the arrays, before they become tensors.

    Example:
        >>> tile = torch.ones(1, 8, 8, dtype=torch.int64)
        >>> hover_targets(tile, (2, 2), min_pixels=1)["hv"][0, 0, 0]
        tensor([0.0000, 0.2500])
    """
    inside = centre_crop(instances, size)
    maps = centre_crop(hover_maps(instances), size).contiguous()
    runs = _find_runs(inside)
    small = (runs.area < min_pixels).index_select(0, runs.nucleus)
    dropped = torch.zeros(inside.numel(), dtype=torch.bool, device=inside.device)
    dropped.scatter_(0, runs.pixels, small.repeat_interleave(runs.length))
    maps = maps.masked_fill(dropped.view(inside.shape).unsqueeze(1), 0.0)
    return {"np": (inside > 0).long(), "hv": maps}


def _find_runs(instances: Tensor) -> _Runs:
    """Gather the foreground; raises ValueError for anything but an integer map (B, H, W)."""
    if instances.ndim != 3 or instances.is_floating_point() or instances.dtype == torch.bool:
        raise ValueError(
            f"expected an integer instance map (B, H, W), got {instances.dtype} "
            f"of shape {tuple(instances.shape)}"
        )
    _, height, width = instances.shape
    flat = instances.reshape(-1)
    pixels = (flat > 0).nonzero().squeeze(1)
    ids = flat.index_select(0, pixels)
    opens = pixels % width == 0
    opens[:1] = True
    opens[1:] |= (ids.diff() != 0) | (pixels.diff() != 1)
    opening = opens.nonzero().squeeze(1)
    first = pixels[opening]
    length = opening.diff(append=opening.new_tensor([len(pixels)]))

    # Two rounds of sorting instead of a table over tile x id: ids may be as large as they like.
    distinct, rank = torch.unique(ids[opening], return_inverse=True)
    key = first // (height * width) * len(distinct) + rank
    nuclei, nucleus = torch.unique(key, return_inverse=True)
    area = torch.zeros_like(nuclei).index_add_(0, nucleus, length)
    return _Runs(pixels, first, length, nucleus, area)


def _total(values: Tensor, runs: _Runs) -> Tensor:
    """Sum a quantity of runs (R,) over each nucleus: (K,)."""
    return torch.zeros_like(runs.area).index_add_(0, runs.nucleus, values)


def _frame(total: Tensor, low: Tensor, high: Tensor, runs: _Runs) -> Tensor:
    """Give each run its nucleus's origin, extent before and extent after it: (3, R), float32.

    Args:
        total: Sum of the coordinate over the pixels of each nucleus (K,).
        low: Smallest coordinate of each run (R,).
        high: Largest coordinate of each run (R,).
        runs: The runs.
    """
    # floor(mean + 1/2) in integers, less the one that the reference counts from.
    origin = (2 * total + runs.area) // (2 * runs.area) - 1
    least = torch.zeros_like(total).scatter_reduce(0, runs.nucleus, low, "amin", include_self=False)
    most = torch.zeros_like(total).scatter_reduce(0, runs.nucleus, high, "amax", include_self=False)
    extents = torch.stack([origin, origin - least, most - origin])
    extents[1:].clamp_(min=1)
    return extents.float().index_select(1, runs.nucleus)


def _distance(coordinate: Tensor, frame: Tensor) -> Tensor:
    """Measure from the origin in fractions of the extent on that side: float32 in [-1, 1]."""
    origin, before, after = frame
    offset = coordinate - origin
    fraction: Tensor = offset / torch.where(offset < 0, before, after)
    return fraction
