"""Seams of a translated picture, by how its tiles are cut and where norms take their statistics.

Each way is compared with the picture translated as one tile: the mean difference, and how much it
jumps from one line of pixels to the next, in gray levels of 255 (see
`_deepliif_seams.py`); the worst line of a picture is its seam. ``sample`` are shared statistics of
16 tiles of it, as of a slide that is too large to be seen at once; ``shared`` of all of it.

python benchmarks/translation_seams.py <checkpoint or run> <picture> [<folder for pictures>]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from _deepliif_seams import BLOCK, at_once, configured, steps

from histoseg.engine.predict import load
from histoseg.engine.predict_image import predict_image
from histoseg.modules import shared_sample
from histoseg.slides.image import read_image
from histoseg.writers import write_png

SAMPLE = 16
WAYS = {  # statistics, factor of the tile, overlap as a share of the tile
    "tiles, side by side": ("tile", 1, 0.0),
    "tiles, blended": ("tile", 1, 0.25),
    "twice as large, blended": ("tile", 2, 0.25),
    "four times, blended": ("tile", 4, 0.25),
    "sample, side by side": ("sample", 1, 0.0),
    "sample, blended": ("sample", 1, 0.25),
    "shared, side by side": ("shared", 1, 0.0),
    "shared, blended": ("shared", 1, 0.25),
    "shared, four times, blended": ("shared", 4, 0.25),
}


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    cfg = configured(sys.argv[1])
    module, image = load(cfg), read_image(Path(sys.argv[2]))
    height, width = (side // BLOCK * BLOCK for side in image.shape[:2])
    image = np.ascontiguousarray(image[:height, :width])
    tile, most = module.tile, shared_sample.MOST
    module.statistics = "tile"  # type: ignore[assignment]
    ((name, whole),) = at_once(module, image, cfg).items()
    print(f"{width} x {height} px, tiles of {tile} px, {name}")
    print(f"{'':<30}{'difference':>12}{'mean line':>12}{'worst line':>12}{'seconds':>10}")
    for way, (statistics, factor, share) in WAYS.items():
        module.statistics = "tile" if statistics == "tile" else "shared"  # type: ignore[assignment]
        module.eval()  # forgets statistics of before
        module.tile = factor * tile
        module.overlap = int(share * module.tile)
        shared_sample.MOST = SAMPLE * tile**2 if statistics == "sample" else most
        began = time.perf_counter()
        made = predict_image(module, image, "x", cfg).stains[name]
        took = time.perf_counter() - began
        away = made.astype(float) - whole
        lines = np.concatenate([steps(away, 0), steps(away, 1)])
        numbers = (np.abs(away).mean(), lines.mean(), lines.max())
        print(f"{way:<30}" + "".join(f"{number:12.2f}" for number in numbers) + f"{took:10.1f}")
        if len(sys.argv) == 4:
            write_png(Path(sys.argv[3]) / f"{way.replace(', ', '_').replace(' ', '_')}.png", made)
    if len(sys.argv) == 4:
        write_png(Path(sys.argv[3]) / "at_once.png", whole.astype(np.uint8))


if __name__ == "__main__":
    main()
