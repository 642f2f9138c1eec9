"""Run a network with a fixed tile over images of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

Corner = tuple[int, int, int]  # image in the batch, top, left


def tiled(
    network: Callable[[Tensor], dict[str, Tensor]],
    image: Tensor,
    *,
    tile: int,
    margin: int,
    overlap: int = 0,
    batch_size: int = 8,
) -> dict[str, Tensor]:
    """Apply a network tile by tile and put its maps together in the frame of the image.

    The image is continued by reflection, so that every pixel of it is in some tile's output.

    Args:
        network: (n, C, tile, tile) to maps (n, c, tile - 2 * margin, tile - 2 * margin).
        image: (B, C, H, W).
        tile: Side of the network's input, pixels.
        margin: Pixels that the network loses on each side.
        overlap: Pixels by which neighbouring outputs overlap; they are blended linearly there.
        batch_size: Tiles in one call.

    Returns:
        Maps (B, c, H, W), on the device of the image.

    Raises:
        ValueError: If ``overlap`` is negative or not smaller than the output.

    Source:
        With no overlap, the tiling of vqdang/hover_net's tile mode.
    """
    output = tile - 2 * margin
    if not 0 <= overlap < output:
        raise ValueError(
            f"overlap {overlap} does not fit outputs of {output} px; use 0..{output - 1}"
        )
    step = output - overlap
    height, width = image.shape[2:]
    padded = _reflect(
        _reflect(image, 2, step, tile, margin, overlap), 3, step, tile, margin, overlap
    )
    maps = tiled_inside(
        network, padded, tile=tile, margin=margin, overlap=overlap, batch_size=batch_size
    )
    return {name: m[:, :, :height, :width] for name, m in maps.items()}


def tiled_inside(
    network: Callable[[Tensor], dict[str, Tensor]],
    image: Tensor,
    *,
    tile: int,
    margin: int,
    overlap: int = 0,
    batch_size: int = 8,
) -> dict[str, Tensor]:
    """Apply a network to the whole tiles of an image that has their margins already.

    Args:
        network: As of `tiled`.
        image: (B, C, H, W). What is right of and below the last whole tile is left out.
        tile: As of `tiled`, and so on.
        margin: Pixels.
        overlap: Pixels.
        batch_size: Tiles.

    Returns:
        Maps (B, c, H - 2 * margin, W - 2 * margin), on the device of the image.
    """
    output, batch = tile - 2 * margin, len(image)
    step = output - overlap
    tops = range(0, image.shape[2] - tile + 1, step)
    lefts = range(0, image.shape[3] - tile + 1, step)
    corners = [(b, y, x) for b in range(batch) for y in tops for x in lefts]
    weight = _ramp(output, overlap, image.device)
    frame = (image.shape[2] - 2 * margin, image.shape[3] - 2 * margin)
    sums: dict[str, Tensor] = {}
    for some in _chunks(corners, batch_size):
        tiles = torch.stack([image[b, :, y : y + tile, x : x + tile] for b, y, x in some])
        for name, maps in network(tiles).items():
            if name not in sums:
                sums[name] = maps.new_zeros((batch, maps.shape[1], *frame))
            for (b, y, x), m in zip(some, maps, strict=True):
                sums[name][b, :, y : y + output, x : x + output] += m * weight if overlap else m
    if overlap:
        total = _total(frame, tops, lefts, weight)
        sums = {name: m / total for name, m in sums.items()}
    return sums


def _reflect(image: Tensor, axis: int, step: int, tile: int, margin: int, overlap: int) -> Tensor:
    """Continue an axis by (repeated) reflection until whole tiles cover it."""
    size = image.shape[axis]
    count = max(1, -(-(size - overlap) // step))
    after = (count - 1) * step + tile - size - margin
    index = np.pad(np.arange(size), (margin, after), mode="reflect")
    return image.index_select(axis, torch.from_numpy(index).to(image.device))


def _ramp(output: int, overlap: int, device: torch.device) -> Tensor:
    """Weight of each output pixel: 1, falling linearly over the overlaps; (output, output)."""
    distance = torch.arange(1, output + 1, device=device, dtype=torch.float32)
    line = torch.minimum(distance, distance.flip(0)).div(overlap + 1).clamp(max=1)
    return line[:, None] * line[None, :]


def _total(frame: tuple[int, int], tops: range, lefts: range, weight: Tensor) -> Tensor:
    """Sum of the weights at each pixel of the frame."""
    total = weight.new_zeros(frame)
    size = len(weight)
    for y in tops:
        for x in lefts:
            total[y : y + size, x : x + size] += weight
    return total


def _chunks(corners: list[Corner], size: int) -> Iterator[list[Corner]]:
    for start in range(0, len(corners), size):
        yield corners[start : start + size]
