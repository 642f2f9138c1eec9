"""Seams of a translated picture: DeepLIIF's tiling, tiles side by side, and blended ones.

Each is compared with the picture translated as one tile. Norms take their statistics from a tile,
so pictures of tiles differ from that; where neighbours disagree, the difference jumps. A line is
the mean size of that jump over a column or row of pixels, in gray levels of 255; the worst line of
a picture is its seam, and the mean line says how much there is anyway.

python benchmarks/_deepliif_seams.py <checkpoint or run> <picture> [<folder for pictures>]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from histoseg.cli.conf import CONF
from histoseg.contracts import Array
from histoseg.engine import checkpoint
from histoseg.engine.predict import load
from histoseg.engine.predict_image import predict_image
from histoseg.modules.base import Module
from histoseg.slides.image import read_image
from histoseg.writers import write_png

BLOCK = 512
"""The picture is cut to a multiple of it, so that networks take it as one tile."""
BORDER = 8


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    cfg = configured(sys.argv[1])
    module, image = load(cfg), read_image(Path(sys.argv[2]))
    image = np.ascontiguousarray(image[: len(image) // BLOCK * BLOCK])
    image = np.ascontiguousarray(image[:, : image.shape[1] // BLOCK * BLOCK])
    whole = at_once(module, image, cfg)
    ways = {
        "DeepLIIF's tiling": {"tiling": "deepliif"},
        "side by side": {"overlap": 0},
        f"blended, {module.overlap} px": {},
    }
    print(f"{'tiling':<20}{'picture':<14}{'difference':>12}{'mean line':>12}{'worst line':>12}")
    for way, change in ways.items():
        cfg.tiling, cfg.overlap = "blended", None
        cfg.merge_with(change)
        made = predict_image(module, image, "x", cfg).stains
        for name, picture in made.items():
            away = picture.astype(float) - whole[name]
            lines = np.concatenate([steps(away, 0), steps(away, 1)])
            numbers = (np.abs(away).mean(), lines.mean(), lines.max())
            print(f"{way:<20}{name:<14}" + "".join(f"{number:12.2f}" for number in numbers))
        if len(sys.argv) == 4:
            file = Path(sys.argv[3]) / f"{way.split(',')[0].replace(' ', '_')}.png"
            write_png(file, np.hstack([made["seg"], made["marker"]]))


def configured(path: str) -> DictConfig:
    stored = checkpoint.stored_config(checkpoint.find(Path(path)))
    for group in ("model", "data"):
        ConfigStore.instance().store(name="from_checkpoint", node=stored[group], group=group)
    with initialize_config_dir(CONF, version_base="1.3"):
        return compose("predict", [f"ckpt='{path}'", "input=x", "accelerator=cpu", "paths.run=."])


def at_once(module: Module, image: Array, cfg: DictConfig) -> dict[str, Array]:
    """The picture as one tile, which is square: continued by reflection, as tiles are."""
    usual = module.tile, module.overlap
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.pad(image, ((0, side - height), (0, side - width), (0, 0)), mode="reflect")
    module.tile, module.overlap = side, 0
    made = predict_image(module, square, "x", cfg).stains
    module.tile, module.overlap = usual
    return {name: picture[:height, :width].astype(float) for name, picture in made.items()}


def steps(away: Array, axis: int) -> Array:
    """Mean jump across each line between two rows or columns, but those at the picture's border."""
    inner = away[BORDER:-BORDER, BORDER:-BORDER]
    jump = np.abs(np.diff(inner, axis=axis)).mean(axis=-1)
    return np.asarray(jump.mean(axis=1 - axis))


if __name__ == "__main__":
    main()
