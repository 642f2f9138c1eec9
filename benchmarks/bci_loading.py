"""Patches of BCI, drawn as a training draws them: each image decoded for every patch, or once.

The baseline draws patches in any order, so that each item decodes its image anew, as the data
loader of IHC_HE_GenAI does. Pictures are of 1024 px, of noise, which PNG keeps at full size.
Rates are of processor seconds of the one process that reads.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from _cases import report
from PIL import Image

from histoseg.data import BCI, Draws

IMAGES = 32


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = write(Path(name))
        slow, fast = rate(root, parts=1), rate(root, parts=4)
    report("patches of BCI, pairs of 512 px", slow, fast, "pairs/s", goal=3)


def write(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for stain in ("HE", "IHC"):
        folder = root / stain / "train"
        folder.mkdir(parents=True)
        for number in range(IMAGES):
            noise = rng.integers(0, 256, (1024, 1024, 3), np.uint8)
            Image.fromarray(noise).save(folder / f"{number:05d}_train_0.png", compress_level=1)
    return root


def rate(root: Path, parts: int) -> float:
    data = BCI(root, "train", fractions={"train": 0.75, "val": 0.25})
    draws = list(Draws(len(data), seed=0, shuffle=True, parts=parts))
    start = time.process_time()
    for draw in draws:
        if parts == 1:
            data._held.clear()  # what a worker with thousands of images holds is never asked for
        data[draw.item]
    return len(draws) / (time.process_time() - start)


if __name__ == "__main__":
    main()
