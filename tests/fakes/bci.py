"""BCI in the layouts that it is handed round in, drawn."""

from pathlib import Path

import numpy as np
from PIL import Image

from fakes.discs import discs
from histoseg.contracts import Array

LEVELS = ("0", "1+", "2+", "3+")
COLOURS = {"he": (90, 40, 140), "ihc": (120, 70, 40)}


def name(number: int, split: str) -> str:
    return f"{number:05d}_{split}_{LEVELS[number % 4]}"


def picture(number: int, stain: str, side: int = 64) -> Array:
    """The same discs in both stains, in other colours; large ones in large pictures."""
    image, instances = discs(number, 64, 64, 8)
    image[instances > 0] = COLOURS[stain]
    return image.repeat(side // 64, axis=0).repeat(side // 64, axis=1)


def write(
    root: Path, layout: str = "native", train: int = 8, test: int = 4, side: int = 64
) -> Path:
    for split, numbers in (("train", range(train)), ("test", range(100, 104))):
        for number in numbers:
            pictures = {stain: picture(number, stain, side) for stain in COLOURS}
            files = {
                "native": {s: root / "BCI_dataset" / s.upper() / split for s in COLOURS},
                "unaligned": {"he": root / f"{split}A", "ihc": root / f"{split}B"},
                "side by side": {"both": root / split},
            }[layout]
            both = np.concatenate([pictures["he"], pictures["ihc"]], axis=1)
            for stain, folder in files.items():
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{name(number, split)}.png"
                Image.fromarray(pictures.get(stain, both)).save(path)
    return root
