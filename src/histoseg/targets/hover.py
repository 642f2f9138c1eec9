"""HoVer-Net's training targets from instance maps, on the device, without a loop over nuclei."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from histoseg.ops.crop import centre_crop, centre_start


class _Runs(NamedTuple):
    """The foreground as runs: neighbours in a row that share an id, each tensor (R,) int64.

    A run of a nucleus is some ten pixels long, so what is counted for each nucleus is counted from
    a tenth of the numbers.
    """

    tile: Tensor
    row: Tensor
    left: Tensor  # first column
    length: Tensor  # pixels
    nucleus: Tensor  # 0..K-1 over the whole batch

    def where(self, kept: Tensor) -> _Runs:
        """Keep some of the runs."""
        chosen = kept.nonzero().squeeze(1)
        return _Runs(*(field.index_select(0, chosen) for field in self))


class _Axis(NamedTuple):
    """What the coordinates of each nucleus are measured by, each tensor (K,) int64."""

    origin: Tensor  # coordinate that is 0
    before: Tensor  # largest distance below the origin, pixels
    after: Tensor  # largest distance above it


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
    runs, count = _find_runs(instances)
    return _paint(runs, *_measure(runs, count), instances.shape)


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
    runs, count = _find_runs(instances)
    horizontal, vertical = _measure(runs, count)
    batch, height, width = instances.shape
    top, left = centre_start(height, size[0]), centre_start(width, size[1])
    runs = _cut(runs, top, left, size)
    area = _sum(runs.length, runs.nucleus, count)
    runs = runs.where((area >= min_pixels).index_select(0, runs.nucleus))
    horizontal = horizontal._replace(origin=horizontal.origin - left)
    vertical = vertical._replace(origin=vertical.origin - top)
    return {
        "np": (inside > 0).long(),
        "hv": _paint(runs, horizontal, vertical, (batch, *size)),
    }


def _find_runs(instances: Tensor) -> tuple[_Runs, int]:
    """Gather the foreground of (B, H, W) into runs, and count nuclei.

    Raises:
        ValueError: If ``instances`` is not an integer map (B, H, W).
    """
    if instances.ndim != 3 or instances.is_floating_point() or instances.dtype == torch.bool:
        raise ValueError(
            f"expected an integer instance map (B, H, W), got {instances.dtype} "
            f"of shape {tuple(instances.shape)}"
        )
    _, height, width = instances.shape
    opens = torch.ones(instances.shape, dtype=torch.bool, device=instances.device)
    torch.ne(instances[..., 1:], instances[..., :-1], out=opens[..., 1:])
    first = opens.view(-1).nonzero().squeeze(1)
    length = first.diff(append=first.new_tensor([opens.numel()]))
    ids = instances.reshape(-1).index_select(0, first)
    line = first // width
    runs = _Runs(line // height, line % height, first % width, length, ids).where(ids > 0)

    # Two rounds of sorting instead of a table over tile x id: ids may be as large as they like.
    distinct, rank = torch.unique(runs.nucleus, return_inverse=True)
    nuclei, nucleus = torch.unique(runs.tile * len(distinct) + rank, return_inverse=True)
    return runs._replace(nucleus=nucleus), len(nuclei)


def _measure(runs: _Runs, count: int) -> tuple[_Axis, _Axis]:
    """Find the origin and the extent of every nucleus, horizontally and vertically."""
    right = runs.left + runs.length - 1
    area = _sum(runs.length, runs.nucleus, count)
    axes = []
    for low, high in ((runs.left, right), (runs.row, runs.row)):
        total = _sum(runs.length * (low + high) // 2, runs.nucleus, count)
        # floor(mean + 1/2) in integers, less the one that the reference counts from.
        origin = (2 * total + area) // (2 * area) - 1
        least = origin.scatter_reduce(0, runs.nucleus, low, "amin", include_self=False)
        most = origin.scatter_reduce(0, runs.nucleus, high, "amax", include_self=False)
        axes.append(_Axis(origin, (origin - least).clamp(min=1), (most - origin).clamp(min=1)))
    return axes[0], axes[1]


def _cut(runs: _Runs, top: int, left: int, size: tuple[int, int]) -> _Runs:
    """Cut a window out of all tiles; coordinates become those of the window."""
    start = (runs.left - left).clamp(min=0)
    end = (runs.left + runs.length - left).clamp(max=size[1])
    row = runs.row - top
    moved = runs._replace(row=row, left=start, length=end - start)
    return moved.where((row >= 0) & (row < size[0]) & (end > start))


def _paint(
    runs: _Runs, horizontal: _Axis, vertical: _Axis, shape: tuple[int, ...] | torch.Size
) -> Tensor:
    """Draw the distances into maps (B, 2, H, W), float32, for a ``shape`` (B, H, W)."""
    batch, height, width = shape
    plane = height * width
    run = torch.repeat_interleave(runs.length)  # (N,), the run of each pixel
    step = torch.arange(len(run), device=run.device)
    step -= (runs.length.cumsum(0) - runs.length).index_select(0, run)
    place = (2 * plane * runs.tile + width * runs.row + runs.left).index_select(0, run) + step

    x = _Axis(*(field.index_select(0, runs.nucleus) for field in horizontal))
    y = _Axis(*(field.index_select(0, runs.nucleus) for field in vertical))
    across = (runs.left - x.origin).index_select(0, run) + step
    before, after = (extent.float().index_select(0, run) for extent in x[1:])
    down = _fraction(runs.row - y.origin, y.before, y.after).index_select(0, run)

    maps = torch.zeros(2 * batch * plane, device=run.device)
    maps.scatter_(0, place, _fraction(across, before, after))
    maps.scatter_(0, place + plane, down)
    return maps.view(batch, 2, height, width)


def _fraction(offset: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Divide a distance from the origin by the extent on its side: float32 in [-1, 1]."""
    fraction: Tensor = offset.float() / torch.where(offset < 0, before, after)
    return fraction


def _sum(values: Tensor, nucleus: Tensor, count: int) -> Tensor:
    """Add up a quantity of runs (R,) over each nucleus: (K,)."""
    return values.new_zeros(count).index_add_(0, nucleus, values)
