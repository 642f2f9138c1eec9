from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from histoseg.contracts import Array, Maps
from histoseg.modules.base import Module


@dataclass(frozen=True)
class Forward:
    """A network on batches of tiles, always of the same size.

    A last batch is filled up: libraries choose how to compute by the size of a batch, and the maps
    of a tile shall not depend on how many others there are.

    Attributes:
        module: On its device, in eval mode.
        batch_size: Tiles at a time.
        dtype: Of mixed precision; None for float32.
    """

    module: Module
    batch_size: int
    dtype: torch.dtype | None = None

    @torch.inference_mode()
    def launch(self, tiles: list[Array]) -> Maps:
        """Start the network on tiles; on a GPU this returns before it is done.

        Args:
            tiles: At most `batch_size`, each (tile, tile, 3), uint8.

        Returns:
            Maps (batch_size, C, h, w), float32, on the device.
        """
        batch = np.zeros((self.batch_size, *tiles[0].shape), np.uint8)
        batch[: len(tiles)] = tiles
        device = self.module.device
        pixels: Tensor = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2)
        with torch.autocast(device.type, self.dtype, enabled=self.dtype is not None):
            return self.module.tile_maps(pixels.float().div(255))

    def tile_bytes(self) -> int:
        """Memory that the maps of one tile take."""
        side = self.module.tile
        maps = self.launch([np.zeros((side, side, 3), np.uint8)])
        return sum(m[0].numel() * 4 for m in maps.values())


def to_arrays(maps: Maps) -> dict[str, Array]:
    """Maps as arrays in the memory of this process, float32."""
    return {name: m.float().cpu().numpy() for name, m in maps.items()}
