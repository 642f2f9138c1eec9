"""A translator on a picture in DeepLIIF's own tiles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from histoseg.contracts import Array
from histoseg.engine.slides.forward import Forward, to_arrays
from histoseg.modules.base import Module
from histoseg.postprocess.decoder import Decoded
from histoseg.slides import deepliif_tiled

WHITE = (255, 255, 255)


def predict_deepliif(
    module: Module, image: Array, *, tile: int, batch_size: int, dtype: torch.dtype | None = None
) -> tuple[Decoded, dict[str, Array]]:
    """Run a model that gives pictures as DeepLIIF does; see `histoseg.slides.deepliif_tiled`.

    Pictures are whole numbers before tiles are resized and pasted, as there.

    Args:
        module: With pictures; objects are found in these alone.
        image: (H, W, 3 * inputs), uint8.
        tile: Side of a tile, px of the image.
        batch_size: Tiles at a time.
        dtype: Of mixed precision; None for float32.

    Returns:
        What the model says, and its maps: the pictures, (3, H, W) float32 in [0, 1].

    Raises:
        ValueError: If the model does not translate tiles of one size to pictures.
    """
    decoder = module.decoder
    if module.margin or decoder.semantic is not None or not decoder.stains:
        raise ValueError(
            "tiling=deepliif is for models that translate a tile to pictures of the same size, and"
            f" {type(module).__name__} does not: use tiling=blended"
        )
    forward = Forward(module, batch_size, dtype)

    def run(tiles: list[Array]) -> Mapping[str, Array]:
        maps = to_arrays(forward.launch(tiles))
        return {
            name: np.stack([decoder.picture(m) for m in maps[name][: len(tiles)]])
            for name in decoder.stains
        }

    pictures = deepliif_tiled(
        image,
        run,
        tile=tile,
        side=module.tile,
        backgrounds={name: decoder.backgrounds.get(name, WHITE) for name in decoder.stains},
        batch_size=batch_size,
    )
    maps = {name: _as_map(picture) for name, picture in pictures.items()}
    return decoder(decoder.with_image(maps, image[..., :3]))._replace(stains=pictures), maps


def _as_map(picture: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(picture, -1, 0), np.float32) / 255
